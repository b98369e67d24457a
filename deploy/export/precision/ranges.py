"""How large each activation of a graph becomes on real images: the numbers that FP16 islands and INT8 scales rest on.

Memory is bounded: extremes are reduced inside the graph, and histograms keep their bins only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from deploy.edge.engines.base import INPUT
from deploy.export.errors import ExportError
from deploy.export.pixels_first import element_types
from deploy.export.precision.typed_graph import FLOAT

BATCH = 4
BINS = 4096
MAX_SAMPLED = 1 << 16
"""Values of one tensor that are looked at in one batch; the others between them are passed over."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Range:
    """Smallest and largest value seen in a tensor."""

    low: float
    high: float

    @property
    def peak(self) -> float:
        """Largest magnitude."""
        return max(abs(self.low), abs(self.high))


def activation_ranges(model: onnx.ModelProto, images: Pixels) -> dict[str, Range]:
    """Range of every float tensor that a node makes, over `images` uint8 (N, H, W, 3); ExportError for NaN or inf."""
    types = element_types(model)
    names = [name for node in model.graph.node for name in node.output if types.get(name) == FLOAT]
    session = _session(_with_extremes(model, names))
    outputs = [f"{name}{end}" for name in names for end in (".low", ".high")]
    lows = np.full(len(names), np.inf, np.float32)
    highs = np.full(len(names), -np.inf, np.float32)
    for batch in batches(images):
        found = np.array(session.run(outputs, {INPUT: batch}), np.float32).reshape(-1, 2)
        # Not fmin: NaN must be seen.
        lows, highs = np.minimum(lows, found[:, 0]), np.maximum(highs, found[:, 1])
    for name, low, high in zip(names, lows, highs, strict=True):
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ExportError(f"tensor '{name}' is not finite on real images, already in FP32")
    return {
        name: Range(float(low), float(high))
        for name, low, high in zip(names, lows, highs, strict=True)
    }


def clipped_peaks(
    model: onnx.ModelProto, images: Pixels, ranges: Mapping[str, Range], percentile: float
) -> dict[str, float]:
    """For each tensor of `ranges`, the magnitude that `percentile` % of its values stay below."""
    names = [name for name, found in ranges.items() if found.peak > 0]
    counts = np.zeros((len(names), BINS), np.int64)
    session = _session(_with_outputs(model, names))
    for batch in batches(images):
        for row, values in enumerate(session.run(names, {INPUT: batch})):
            counts[row] += _histogram(values, ranges[names[row]].peak)
    peaks = dict.fromkeys(ranges, 0.0)
    for name, bins in zip(names, counts, strict=True):
        above = np.searchsorted(np.cumsum(bins), bins.sum() * percentile / 100.0)
        peaks[name] = ranges[name].peak * min(int(above) + 1, BINS) / BINS
    return peaks


def batches(images: Pixels, size: int = BATCH) -> Iterator[Pixels]:
    """`images` in their order, `size` at a time."""
    for start in range(0, len(images), size):
        yield images[start : start + size]


def _histogram(values: npt.NDArray[np.float32], peak: float) -> npt.NDArray[np.int64]:
    flat = values.ravel()
    # An odd step meets every channel and column, whatever power of two the rows are long.
    step = -(-flat.size // MAX_SAMPLED) | 1
    scaled = np.abs(flat[::step]) * (BINS / peak)
    return np.bincount(np.minimum(scaled.astype(np.int64), BINS - 1), minlength=BINS)


def _with_extremes(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """The graph with two scalars more for each tensor, and those as its only outputs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    del graph.output[:]
    for name in names:
        for op, end in (("ReduceMin", ".low"), ("ReduceMax", ".high")):
            graph.node.append(onnx.helper.make_node(op, [name], [name + end], keepdims=0))
            graph.output.append(onnx.helper.make_tensor_value_info(name + end, FLOAT, []))
    return copy


def _with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, FLOAT, None) for name in names
    )
    return copy


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Without optimisation: fused nodes would no longer make the tensors that are asked for."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
