"""Which nodes of a graph must go on computing in FP32 when the rest becomes FP16, and why.

Covered: activations and weights beyond FP16, sums that grow inside a pooling or a mean, operators known for squares and
exponentials, the pixels' own scaling. Not covered: partial sums inside a convolution or product on hardware that adds
up in FP16; the safe share of the range is for those.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from deploy.edge.engines.base import INPUT
from deploy.export.pixels_first import element_types
from deploy.export.precision.ranges import Range
from deploy.export.precision.typed_graph import FLOAT, shapes

FP16_MAX = 65504.0
SAFE = FP16_MAX / 4
"""Above it a real image that is a little brighter than those measured would overflow."""
MAX_ROUNDING = 1e-3
"""Relative error of a weight tensor as FP16: 0.0003 by rounding alone; more means overflow or vanishing numbers."""

NORMALISING = frozenset(
    {
        *("BatchNormalization", "GroupNormalization", "InstanceNormalization"),
        *("LayerNormalization", "LpNormalization", "MeanVarianceNormalization", "RMSNormalization"),
    }
)
SQUARING = frozenset({"Pow", "ReduceL1", "ReduceL2", "ReduceSumSquare", "LpPool", "GlobalLpPool"})
EXPONENTIAL = frozenset(
    {"Exp", "Log", "LogSoftmax", "ReduceLogSum", "ReduceLogSumExp", "Reciprocal", "Softmax", "Sqrt"}
)
SUMMING = frozenset({"AveragePool", "CumSum", "GlobalAveragePool", "ReduceMean", "ReduceSum"})
SCALING = frozenset({"Cast", "Transpose", "Mul", "Add", "Sub", "Div"})


@dataclass(frozen=True)
class Island:
    """One node that stays FP32; `peak` is the magnitude that decided it, None where its kind did."""

    node: str
    operator: str
    reason: str
    peak: float | None = None


def fp32_islands(model: onnx.ModelProto, ranges: Mapping[str, Range]) -> dict[str, Island]:
    """The nodes that stay FP32, by name, in the graph's order; each with its first reason."""
    types, sizes = element_types(model), shapes(model)
    rough = _rough_weights(model)
    scaling = _scaling(model)
    islands: dict[str, Island] = {}
    for node in model.graph.node:
        # Numbers before habits: an overflow is what a reader of the report looks for.
        reasons = [
            *_by_peak(node, ranges),
            *_by_sum(node, ranges, sizes),
            *_by_weights(node, rough),
            *_by_kind(node, types, scaling),
        ]
        if reasons:
            reason, peak = reasons[0]
            islands[node.name] = Island(node.name, node.op_type, reason, peak)
    return islands


def _by_peak(
    node: onnx.NodeProto, ranges: Mapping[str, Range]
) -> Iterator[tuple[str, float | None]]:
    peaks = [ranges[name].peak for name in (*node.input, *node.output) if name in ranges]
    if max(peaks, default=0.0) > SAFE:
        yield "activation beyond the safe range", max(peaks)


def _by_sum(
    node: onnx.NodeProto,
    ranges: Mapping[str, Range],
    sizes: Mapping[str, tuple[int | None, ...]],
) -> Iterator[tuple[str, float | None]]:
    if node.op_type not in SUMMING or node.input[0] not in ranges:
        return
    before, after = _fixed_size(sizes, node.input[0]), _fixed_size(sizes, node.output[0])
    if node.op_type == "AveragePool":
        terms = math.prod(next(a.ints for a in node.attribute if a.name == "kernel_shape"))
    else:
        terms = before // max(1, after)
    if (total := ranges[node.input[0]].peak * terms) > SAFE:
        yield f"a sum of {terms} may leave the safe range", total


def _fixed_size(sizes: Mapping[str, tuple[int | None, ...]], name: str) -> int:
    """Numbers for one image: symbolic sides count once."""
    return math.prod(side for side in sizes.get(name, ()) if side is not None)


def _by_weights(
    node: onnx.NodeProto, rough: Mapping[str, float]
) -> Iterator[tuple[str, float | None]]:
    for name in node.input:
        if name in rough:
            yield "weights that FP16 cannot hold", rough[name]


def _by_kind(
    node: onnx.NodeProto, types: Mapping[str, int], scaling: frozenset[str]
) -> Iterator[tuple[str, float | None]]:
    op = node.op_type
    if node.name in scaling:
        yield "scales the pixels", None
    if op in NORMALISING | SQUARING:
        yield "adds up squares", None
    if op in EXPONENTIAL:
        yield "exponential, root or reciprocal", None
    makes = any(types.get(name) == FLOAT for name in node.output)
    takes = any(types.get(name) == FLOAT for name in node.input)
    if makes and not takes and op != "Cast":
        yield "makes numbers of its own", None


def _rough_weights(model: onnx.ModelProto) -> dict[str, float]:
    """Float initializers that FP16 would change by more than rounding, with their largest magnitude."""
    rough = {}
    for tensor in model.graph.initializer:
        if tensor.data_type != FLOAT:
            continue
        weights = numpy_helper.to_array(tensor).astype(np.float64)
        with np.errstate(over="ignore"):
            halves = weights.astype(np.float16).astype(np.float64)
        size = float(np.linalg.norm(weights))
        if size > 0 and not float(np.linalg.norm(halves - weights)) <= MAX_ROUNDING * size:
            rough[tensor.name] = float(np.abs(weights).max())
    return rough


def _scaling(model: onnx.ModelProto) -> frozenset[str]:
    """The nodes that turn pixels into normalised numbers: in FP16 their rounding would shift every image alike."""
    fixed = {tensor.name for tensor in model.graph.initializer}
    pixels, found = {INPUT}, set()
    for node in model.graph.node:
        known = all(name in pixels or name in fixed for name in node.input)
        if node.op_type in SCALING and known and pixels.intersection(node.input):
            found.add(node.name)
            pixels.update(node.output)
    return frozenset(found)
