"""The FP16 candidate: half precision wherever real images say it is safe, FP32 islands elsewhere, FP32 at both ends.

Written here and not taken from a converter, for one reason: the known ones put a cast to FP16 behind every island, so
a number too large for FP16 overflows on its way from one island to the next. Here a tensor between two islands stays
FP32, each tensor is cast at most once in each direction, and every node has float inputs of one type.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from deploy.export.pixels_first import cast_pixels_first, element_types
from deploy.export.precision.calibration import Calibration
from deploy.export.precision.islands import FP16_MAX, SAFE, Island, fp32_islands
from deploy.export.precision.ranges import activation_ranges
from deploy.export.precision.typed_graph import FLOAT, HALF, finished, flat_copy

ALWAYS_FLOAT = {("Resize", 1), ("Resize", 2)}
"""Inputs that ONNX or TensorRT wants as FP32 whatever the node computes in."""
ENDINGS = {FLOAT: ".fp32", HALF: ".fp16"}


@dataclass(frozen=True)
class Fp16Report:
    """What became FP16 and what did not; `peak` is the largest activation seen, in tensor `peak_tensor`."""

    converted: int
    islands: tuple[Island, ...]
    peak: float
    peak_tensor: str
    safe: float
    images: int
    calibration: str

    @property
    def threatened(self) -> tuple[Island, ...]:
        """The islands that numbers asked for, not the operator's kind."""
        return tuple(island for island in self.islands if island.peak is not None)

    def sentence(self) -> str:
        """One line for people."""
        said = f"{self.converted} nodes FP16, {len(self.islands)} FP32"
        if self.threatened:
            names = ", ".join(island.node for island in self.threatened[:3])
            more = " …" * (len(self.threatened) > 3)
            said += f", of these {len(self.threatened)} against overflow ({names}{more})"
        return f"{said}; largest activation {self.peak:.4g} of {FP16_MAX:.0f}"


def to_fp16(model: onnx.ModelProto, calibration: Calibration) -> tuple[onnx.ModelProto, Fp16Report]:
    """Mixed FP16 of the FP32 graph `model`, inputs and outputs as before; ExportError if it cannot be made."""
    flat = cast_pixels_first(flat_copy(model))
    ranges = activation_ranges(flat, calibration.images)
    islands = fp32_islands(flat, ranges)
    tensor = max(ranges, key=lambda name: ranges[name].peak)
    report = Fp16Report(
        converted=len(flat.graph.node) - len(islands),
        islands=tuple(islands.values()),
        peak=ranges[tensor].peak,
        peak_tensor=tensor,
        safe=SAFE,
        images=len(calibration),
        calibration=calibration.digest,
    )
    return half_precision(flat, islands), report


def half_precision(model: onnx.ModelProto, kept: Collection[str]) -> onnx.ModelProto:
    """`model` (see `flat_copy`) with every float tensor FP16, except in and between the nodes named in `kept`."""
    writer = _Writer(model, kept)
    for node in model.graph.node:
        writer.add(node)
    return finished(writer.done())


class _Writer:
    """Writes nodes one by one and gives each its inputs in the type it computes in."""

    def __init__(self, model: onnx.ModelProto, kept: Collection[str]) -> None:
        self._model = model
        self._kept = frozenset(kept)
        self._types = element_types(model)
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._outputs = {value.name for value in model.graph.output}
        self._made = {value.name: self._types[value.name] for value in model.graph.input}
        self._nodes: list[onnx.NodeProto] = []
        self._stored: dict[str, onnx.TensorProto] = {}
        self._cast: dict[tuple[str, int], str] = {}

    def add(self, node: onnx.NodeProto) -> None:
        """Copy `node`, its float inputs and outputs in one type."""
        kind = FLOAT if node.name in self._kept else HALF
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if node.op_type == "Cast":
            copy.input[0] = self._as_made(node.input[0])
            _retarget(copy, kind)
        else:
            for i, name in enumerate(node.input):
                wanted = FLOAT if (node.op_type, i) in ALWAYS_FLOAT else kind
                copy.input[i] = self._as(name, wanted)
        for i, name in enumerate(node.output):
            copy.output[i] = self._declare(name, kind)
        self._nodes.append(copy)

    def done(self) -> onnx.ModelProto:
        """The new model, outputs under their old names in FP32."""
        for name in sorted(self._outputs):
            if self._made.get(name) == HALF:
                self._append_cast(self._written(name), name, FLOAT)
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        graph = model.graph
        for part in (graph.node, graph.initializer, graph.value_info):
            del part[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend(self._stored[name] for name in sorted(self._stored))
        return model

    def _declare(self, name: str, kind: int) -> str:
        """Note in which type `name` is made, and give the name it is written under."""
        if not name:
            return name
        self._made[name] = kind if self._types[name] == FLOAT else self._types[name]
        return self._written(name)

    def _written(self, name: str) -> str:
        """An output that is made as FP16 leaves its name to the cast behind it."""
        taken = name in self._outputs and self._made.get(name) == HALF
        return name + ENDINGS[HALF] if taken else name

    def _as_made(self, name: str) -> str:
        if name in self._weights:
            return self._weight(name, self._types[name])
        return self._written(name)

    def _as(self, name: str, kind: int) -> str:
        """The name of tensor `name` in type `kind`, cast once if it was made in another."""
        if not name or self._types[name] != FLOAT:
            return self._as_made(name) if name else name
        if name in self._weights:
            return self._weight(name, kind)
        if self._made[name] == kind:
            return self._written(name)
        if name in self._outputs and kind == FLOAT:
            # The output's own cast comes last; a consumer inside the graph gets one of its own.
            return self._append_cast_once(name, kind, name + ".inner" + ENDINGS[kind])
        return self._append_cast_once(name, kind, name + ENDINGS[kind])

    def _append_cast_once(self, name: str, kind: int, target: str) -> str:
        if (name, kind) not in self._cast:
            self._append_cast(self._written(name), target, kind)
            self._cast[name, kind] = target
        return self._cast[name, kind]

    def _append_cast(self, source: str, target: str, kind: int) -> None:
        self._nodes.append(
            onnx.helper.make_node("Cast", [source], [target], name=f"cast {target}", to=kind)
        )

    def _weight(self, name: str, kind: int) -> str:
        tensor = self._weights[name]
        if tensor.data_type != FLOAT or kind == FLOAT:
            self._stored[name] = tensor
            return name
        half = name + ENDINGS[HALF]
        if half not in self._stored:
            with np.errstate(over="ignore"):
                values = numpy_helper.to_array(tensor).astype(np.float16)
            self._stored[half] = numpy_helper.from_array(values, half)
        return half


def _retarget(node: onnx.NodeProto, kind: int) -> None:
    """A cast to FP32 gives what its surroundings compute in."""
    for attribute in node.attribute:
        if attribute.name == "to" and attribute.i == FLOAT:
            attribute.i = kind
