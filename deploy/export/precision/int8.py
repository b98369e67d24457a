"""The two INT8 candidates, both with explicit Q/DQ pairs around the same layers: one dialect for x86 CPUs, one for
TensorRT.

Products of two activations (attention) stay FP32: quantising them destroys a transformer's decisions. Covered: equal
graph and calibration give equal bytes. Not covered: ARM CPUs, which like the TensorRT dialect's types better.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from deploy.edge.files import write_bytes
from deploy.export.errors import ExportError
from deploy.export.pixels_first import cast_pixels_first
from deploy.export.precision.calibration import Calibration
from deploy.export.precision.ranges import Range, activation_ranges, clipped_peaks
from deploy.export.precision.typed_graph import finished, flat_copy, model_bytes

WEIGHTED = ("Conv", "Gemm", "MatMul")
CPU_CARRIED = ("Add", "AveragePool", "Concat", "GlobalAveragePool", "MaxPool")
"""On a CPU these too stay in 8 bits between two quantised layers; only in networks without layer normalisation,
whose residual sums have outliers."""
FOLDED = ("Clip", "Relu")
"""Runtimes take them into the layer before."""
PERCENTILE = 99.99
"""Of magnitudes, where scales must be symmetric: a rare outlier would cost every other value a bit."""


@dataclass(frozen=True)
class Prepared:
    """A graph ready to be quantised: optimised once, its activations measured once on `calibration`."""

    model: onnx.ModelProto
    ranges: Mapping[str, Range]
    peaks: Mapping[str, float]
    layers: tuple[str, ...]
    """Nodes that can be quantised, in the graph's order."""
    attention: tuple[str, ...]
    """Products of two activations."""
    calibration: str
    images: int


@dataclass(frozen=True)
class Int8Report:
    """Which layers became INT8, which were left out and why; `calibration` is the images' digest."""

    dialect: str
    quantised: tuple[str, ...]
    attention: tuple[str, ...]
    excluded: tuple[str, ...]
    method: str
    images: int
    calibration: str

    def sentence(self) -> str:
        """One line for people."""
        said = f"{len(self.quantised)} layers INT8 ({self.dialect}, {self.method}, {self.images} images)"
        if self.attention:
            said += f"; {len(self.attention)} attention products left out"
        if self.excluded:
            said += f"; {len(self.excluded)} layers left out on request"
        return said


def prepare(model: onnx.ModelProto, calibration: Calibration) -> Prepared:
    """Optimise the FP32 graph (batch norms folded, constants computed) and measure it; ExportError if it cannot be."""
    ready = _optimised(flat_copy(model))
    layers, attention = _layers(ready)
    if not layers:
        raise ExportError(
            f"nothing to quantise: the graph has no {', '.join(sorted(WEIGHTED))} with constant weights"
        )
    ranges = activation_ranges(ready, calibration.images)
    read = {name for node in ready.graph.node for name in _quantisable(node)} & set(ranges)
    measured = {name: ranges[name] for name in ranges if name in read}
    return Prepared(
        model=ready,
        ranges=ranges,
        peaks=clipped_peaks(ready, calibration.images, measured, PERCENTILE),
        layers=layers,
        attention=attention,
        calibration=calibration.digest,
        images=len(calibration),
    )


def to_int8_cpu(
    model: onnx.ModelProto | Prepared, calibration: Calibration, exclude: Collection[str] = ()
) -> tuple[onnx.ModelProto, Int8Report]:
    """Activations uint8, weights int8 by channel, biases int32: what ONNX Runtime's x86 kernels are fast with.

    `exclude` names nodes of `prepare(model, ...)` that stay FP32.
    """
    ready = _ready(model, calibration)
    plain = not any(node.op_type == "LayerNormalization" for node in ready.model.graph.node)
    found = {name: (span.low, span.high) for name, span in ready.ranges.items()}
    made = _quantised(
        ready,
        found,
        [*exclude, *floating_nodes(ready.model, exclude)],
        # A ReLU between two scales is clipping, which rounding does by itself: the quantiser drops the node.
        operators=(*WEIGHTED, *CPU_CARRIED, *FOLDED) if plain else WEIGHTED,
        unsigned=True,
        options={"ActivationSymmetric": False},
    )
    return finished(made), _report("cpu", "min-max", ready, made, exclude)


def to_int8_tensorrt(
    model: onnx.ModelProto | Prepared, calibration: Calibration, exclude: Collection[str] = ()
) -> tuple[onnx.ModelProto, Int8Report]:
    """Activations and weights int8, symmetric, weights by channel, biases float: TensorRT's dialect.

    `exclude` names nodes of `prepare(model, ...)` that stay FP32.
    """
    ready = _ready(model, calibration)
    found = {
        name: (-ready.peaks.get(name, span.peak), ready.peaks.get(name, span.peak))
        for name, span in ready.ranges.items()
    }
    made = _quantised(
        ready,
        found,
        exclude,
        operators=WEIGHTED,
        unsigned=False,
        options={
            "ActivationSymmetric": True,
            "QuantizeBias": False,
            "QDQKeepRemovableActivations": True,
            # Only what a layer reads is rounded: a pair behind it would stand between it and its ReLU.
            "OpTypesToExcludeOutputQuantization": list(WEIGHTED),
        },
    )
    method = f"{PERCENTILE} % of magnitudes"
    return finished(cast_pixels_first(made)), _report("TensorRT", method, ready, made, exclude)


def _ready(model: onnx.ModelProto | Prepared, calibration: Calibration) -> Prepared:
    if not isinstance(model, Prepared):
        return prepare(model, calibration)
    if model.calibration != calibration.digest:
        raise ExportError("the graph was prepared on other calibration images: prepare it again")
    return model


def _quantised(
    ready: Prepared,
    found: Mapping[str, tuple[float, float]],
    exclude: Collection[str],
    *,
    operators: Collection[str],
    unsigned: bool,
    options: Mapping[str, Any],
) -> onnx.ModelProto:
    from onnxruntime.quantization import QDQQuantizer, QuantType
    from onnxruntime.quantization.calibrate import TensorData

    if unknown := set(exclude) - {node.name for node in ready.model.graph.node}:
        raise ExportError(
            f"no node '{min(unknown)}' to leave out: use the names of prepare().layers"
        )
    copy = onnx.ModelProto()
    copy.CopyFrom(ready.model)
    ranges = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in found.items()
    }
    quantizer = QDQQuantizer(
        copy,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8 if unsigned else QuantType.QInt8,
        tensors_range=ranges,
        nodes_to_quantize=[],
        nodes_to_exclude=[*ready.attention, *exclude],
        op_types_to_quantize=list(operators),
        extra_options={
            "WeightSymmetric": True,
            "QDQOpTypePerChannelSupportToAxis": {"MatMul": 1},
            **options,
        },
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    made = onnx.ModelProto()
    made.CopyFrom(quantizer.model.model)
    return onnx.shape_inference.infer_shapes(made, strict_mode=True)


def _report(
    dialect: str, method: str, ready: Prepared, made: onnx.ModelProto, exclude: Collection[str]
) -> Int8Report:
    """Read back from the graph, not from what was asked."""
    found = set(quantised_layers(made))
    quantised = tuple(name for name in ready.layers if name in found)
    if not quantised and not set(exclude) >= set(ready.layers):
        raise ExportError("no layer could be quantised: every weight or activation is out of reach")
    return Int8Report(
        dialect=dialect,
        quantised=quantised,
        attention=ready.attention,
        excluded=tuple(name for name in ready.layers if name in set(exclude)),
        method=method,
        images=ready.images,
        calibration=ready.calibration,
    )


def quantised_layers(model: onnx.ModelProto) -> tuple[str, ...]:
    """The weighted nodes whose activation and weights both come out of a DequantizeLinear."""
    pairs = {
        name
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        for name in node.output
    }
    return tuple(
        node.name
        for node in model.graph.node
        if node.op_type in WEIGHTED and pairs.issuperset(node.input[:2])
    )


def _layers(model: onnx.ModelProto) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Weighted nodes with constant weights, and those without."""
    fixed = {tensor.name for tensor in model.graph.initializer}
    weighted = [node for node in model.graph.node if node.op_type in WEIGHTED]
    return (
        tuple(node.name for node in weighted if node.input[1] in fixed),
        tuple(node.name for node in weighted if node.input[1] not in fixed),
    )


def floating_nodes(model: onnx.ModelProto, exclude: Collection[str]) -> list[str]:
    """Carried nodes that read something that is no 8 bit number: rounding for their sake alone gains no speed."""
    fixed = {tensor.name for tensor in model.graph.initializer}
    rounded: set[str] = set()
    left = []
    for node in model.graph.node:
        read = {name for name in node.input if name} - fixed
        layer = node.op_type in WEIGHTED and node.input[1] in fixed and node.name not in exclude
        carried = node.op_type in (*CPU_CARRIED, *FOLDED) and read and read <= rounded
        if layer or carried:
            rounded.update(node.output)
        elif node.op_type in (*CPU_CARRIED, *FOLDED):
            left.append(node.name)
    return left


def _quantisable(node: onnx.NodeProto) -> tuple[str, ...]:
    """Activations that get a scale when this node is quantised."""
    if node.op_type in (*WEIGHTED, *CPU_CARRIED):
        return (*node.input, *node.output)
    return ()


def _optimised(model: onnx.ModelProto) -> onnx.ModelProto:
    """ONNX Runtime's basic optimisation and shapes; the exporter's own shapes make symbolic inference needless."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="plumbline-int8-") as folder:
        # A file, not the model: given a model it moves the weights out of it and fails.
        source, target = Path(folder) / "model.onnx", Path(folder) / "prepared.onnx"
        write_bytes(source, model_bytes(model))
        quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
        ready = onnx.load(target)
    foreign = {node.op_type for node in ready.graph.node if node.domain not in ("", "ai.onnx")}
    if foreign:
        raise ExportError(
            f"ONNX Runtime put operators of its own into the graph: {sorted(foreign)}"
        )
    return flat_copy(ready)
