"""FP16: islands where numbers would overflow, casts only where types change."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from deploy.export.errors import ExportError
from deploy.export.pixels_first import cast_pixels_first
from deploy.export.precision.dialect import check_tensorrt_dialect
from deploy.export.precision.fp16 import half_precision, to_fp16
from deploy.export.precision.islands import SAFE, fp32_islands
from deploy.export.precision.ranges import Range, activation_ranges, clipped_peaks
from deploy.export.precision.typed_graph import flat_copy
from tests.unit.precision_material import (
    calibrated,
    convolutions,
    exported,
    multiply,
    probabilities,
)

pytestmark = pytest.mark.training
TINY = """<ir_version: 10, opset_import: ["": 20]>
tiny (uint8[batch, 8, 8, 3] image) => (float[batch, 3] probabilities, float[batch, 3] embedding)
"""


def overflowing() -> tuple[onnx.ModelProto, list[str]]:
    """The trained network with one convolution a million times louder, the next as much quieter: the same function."""
    model = exported()
    first, second = convolutions(model)[1:3]
    multiply(model, first, 1e6, bias=True)
    multiply(model, second, 1e-6, bias=False)
    return model, [first, second]


def test_weights_scaled_to_overflow_break_the_naive_conversion_and_not_ours():
    calibration = calibrated()
    model, loud = overflowing()
    expected = probabilities(model, calibration.images)
    np.testing.assert_allclose(expected, probabilities(exported(), calibration.images), atol=1e-5)
    flat = cast_pixels_first(flat_copy(model))
    kinds = [name for name, found in fp32_islands(flat, {}).items() if found.peak is None]
    naive = probabilities(half_precision(flat, kinds), calibration.images)
    assert not (naive.argmax(axis=1) == expected.argmax(axis=1)).all() or np.isnan(naive).any()
    half, report = to_fp16(model, calibration)
    check_tensorrt_dialect(half)
    found = probabilities(half, calibration.images)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert np.abs(found - expected).max() < 5e-3
    named = {island.node: island for island in report.threatened}
    assert set(loud) <= set(named)
    assert report.peak > SAFE
    assert named[loud[1]].peak > SAFE
    assert loud[0] in report.sentence()


def test_nothing_is_cast_down_between_two_islands():
    model, _ = overflowing()
    half, report = to_fp16(model, calibrated())
    ranges = activation_ranges(cast_pixels_first(flat_copy(model)), calibrated().images)
    too_large = {name for name, found in ranges.items() if found.peak > SAFE}
    assert too_large
    casts = [
        node for node in half.graph.node if node.op_type == "Cast" and node.input[0] in too_large
    ]
    assert casts == []
    assert len(to_fp16(exported(), calibrated())[1].threatened) < len(report.threatened)


def tiny(body: str, **weights: object) -> onnx.ModelProto:
    model = onnx.parser.parse_model(TINY + "{" + body + "}")
    for name, value in weights.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return model


POOLED = """
    float = Cast <to = 1> (image)
    chw = Transpose <perm = [0, 3, 1, 2]> (float)
    {middle}
    embedding = ReduceMean <keepdims = 0> (last, axes)
    probabilities = Softmax <axis = 1> (embedding)
"""
AXES = np.array([2, 3])


@pytest.mark.parametrize(
    ("middle", "weights", "operator", "reason"),
    [
        ("last = Mul (chw, gain)", {"gain": np.float32(100.0)}, "ReduceMean", "activation"),
        ("up = Abs (chw) last = Mul (up, gain)", {"gain": np.float32(1e-9)}, "Mul", "weights"),
        ("last = Abs (chw)", {}, "ReduceMean", "exactly"),
        ("up = Abs (chw) last = Pow (up, gain)", {"gain": np.float32(0.5)}, "Pow", "squares"),
    ],
)
def test_each_reason_for_an_island_is_found(middle, weights, operator, reason):
    model = tiny(POOLED.format(middle=middle), axes=AXES, **weights)
    images = np.full((2, 8, 8, 3), 255, np.uint8)
    flat = flat_copy(model)
    islands = fp32_islands(flat, activation_ranges(flat, images)).values()
    found = {island.operator: island for island in islands}
    if reason == "exactly":
        # 64 pixels of 255 sum to 16320, just inside the safe range.
        assert operator not in found
    else:
        assert reason in found[operator].reason


def test_a_sum_over_many_values_stays_fp32():
    model = tiny(
        POOLED.format(middle="up = Abs (chw) last = Mul (up, gain)"),
        axes=AXES,
        gain=np.float32(1.01),
    )
    flat = flat_copy(model)
    ranges = activation_ranges(flat, np.full((1, 8, 8, 3), 255, np.uint8))
    found = {island.operator: island for island in fp32_islands(flat, ranges).values()}
    assert found["ReduceMean"].reason == "a sum of 64 may leave the safe range"
    assert found["ReduceMean"].peak == pytest.approx(64 * 255 * 1.01)


def test_resizing_keeps_its_scales_in_fp32():
    model = tiny(
        POOLED.format(middle='up = Abs (chw) last = Resize <mode = "linear"> (up, , scales)'),
        axes=AXES,
        scales=np.array([1, 1, 2, 2], np.float32),
    )
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    half = half_precision(flat_copy(model), ["Softmax_5"])
    check_tensorrt_dialect(half)
    kinds = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    assert kinds["scales"] == onnx.TensorProto.FLOAT
    np.testing.assert_allclose(probabilities(half, images), probabilities(model, images), atol=1e-2)


def test_a_graph_that_is_not_finite_in_fp32_is_refused():
    model = tiny(POOLED.format(middle="last = Div (chw, chw)"), axes=AXES)
    with pytest.raises(ExportError, match=r"'last' is not finite on real images, already in FP32"):
        activation_ranges(flat_copy(model), np.zeros((2, 8, 8, 3), np.uint8))


def test_branches_are_refused():
    model = tiny(POOLED.format(middle="last = Abs (chw)"), axes=AXES)
    made = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [])
    one = numpy_helper.from_array(np.float32(1), "x")
    branch = onnx.helper.make_graph([], "branch", [], [made], [one])
    choice = onnx.helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    model.graph.node.append(choice)
    with pytest.raises(ExportError, match="flat graphs"):
        flat_copy(model)


def test_ranges_are_those_of_the_tensors_themselves():
    model = flat_copy(
        tiny(POOLED.format(middle="last = Sub (chw, half)"), axes=AXES, half=np.float32(100))
    )
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    images[8, 0, 0, 0] = 255
    ranges = activation_ranges(model, images)
    assert ranges["last"] == Range(float(images.min()) - 100, 155.0)
    peaks = clipped_peaks(model, images, {"last": ranges["last"]}, 90.0)
    expected = np.quantile(np.abs(images.astype(float) - 100), 0.9)
    assert peaks["last"] == pytest.approx(expected, abs=2.0)
    assert clipped_peaks(model, images, {"last": ranges["last"]}, 100.0)["last"] == 155.0
