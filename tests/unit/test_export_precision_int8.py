"""INT8: which layers are quantised, which are left out and why, which are worst."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from deploy.export.errors import ExportError
from deploy.export.precision.dialect import check_tensorrt_dialect
from deploy.export.precision.int8 import (
    Prepared,
    floating_nodes,
    prepare,
    quantised_layers,
    to_int8_cpu,
    to_int8_tensorrt,
)
from deploy.export.precision.sensitivity import layer_sensitivity
from deploy.export.precision.typed_graph import model_bytes
from tests.unit.precision_material import (
    calibrated,
    convolutions,
    exported,
    probabilities,
    signal_to_noise,
    weight,
)

pytestmark = pytest.mark.training
BUILDS = pytest.mark.parametrize("build", [to_int8_cpu, to_int8_tensorrt])


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(exported(), calibrated())


@BUILDS
def test_a_trained_network_decides_as_before(prepared, build):
    made, report = build(prepared, calibrated())
    before = probabilities(exported(), calibrated().images)
    after = probabilities(made, calibrated().images)
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    assert 0 < np.abs(before - after).max() < 0.1
    assert len(report.quantised) == len(prepared.layers) == len(convolutions(exported())) + 1
    assert f"{len(prepared.layers)} layers INT8" in report.sentence()


@BUILDS
def test_excluded_layers_stay_fp32_and_are_named(prepared, build):
    out = prepared.layers[2:4]
    made, report = build(prepared, calibrated(), out)
    assert report.excluded == out
    assert set(report.quantised) == set(prepared.layers) - set(out)
    for name in out:
        assert weight(made, name).data_type == onnx.TensorProto.FLOAT
    assert "2 layers left out on request" in report.sentence()


@BUILDS
def test_without_any_layer_the_graph_is_fp32_again(prepared, build):
    made, report = build(prepared, calibrated(), prepared.layers)
    assert report.quantised == ()
    images = calibrated().images
    found = probabilities(made, images)
    np.testing.assert_allclose(found, probabilities(exported(), images), atol=1e-5)


def test_an_unknown_layer_is_refused(prepared):
    with pytest.raises(ExportError, match="no node 'Conv_of_another_graph' to leave out"):
        to_int8_tensorrt(prepared, calibrated(), ["Conv_of_another_graph"])


def test_other_calibration_than_the_prepared_is_refused(prepared):
    other = dataclasses.replace(calibrated(), digest="0" * 64)
    with pytest.raises(ExportError, match="prepared on other calibration images"):
        to_int8_tensorrt(prepared, other)


def test_a_graph_without_weighted_layers_is_refused():
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["": 20]>
        still (uint8[batch, 32, 32, 3] image) => (float[batch, 3] probabilities, float[batch, 3] embedding)
        <int64[2] axes = {1, 2}> {
            float = Cast <to = 1> (image)
            embedding = ReduceMean <keepdims = 0> (float, axes)
            probabilities = Softmax <axis = 1> (embedding)
        }"""
    )
    with pytest.raises(
        ExportError, match="nothing to quantise: the graph has no Conv, Gemm, MatMul"
    ):
        to_int8_tensorrt(model, calibrated())


def test_scales_come_from_the_images(prepared):
    """Calibrated on noise the file is as valid and the embedding worse: why noise is refused before."""
    noise = np.random.default_rng(0).integers(0, 256, calibrated().images.shape, np.uint8)
    wrong, _ = to_int8_tensorrt(
        exported(), dataclasses.replace(calibrated(), images=noise, digest="d" * 64)
    )
    check_tensorrt_dialect(wrong)
    right, _ = to_int8_tensorrt(prepared, calibrated())
    assert signal_to_noise(exported(), right) > signal_to_noise(exported(), wrong) + 5.0


def test_no_pair_stands_between_a_layer_and_its_relu(prepared):
    """There it would keep TensorRT from fusing the two."""
    made, _ = to_int8_tensorrt(prepared, calibrated())
    layers = {node.output[0] for node in made.graph.node if node.name in prepared.layers}
    relus = [node for node in made.graph.node if node.op_type == "Relu"]
    assert any(node.input[0] in layers for node in relus)
    rounded = [node for node in made.graph.node if node.op_type == "QuantizeLinear"]
    assert not any(node.input[0] in layers for node in rounded)


def spoiled() -> tuple[onnx.ModelProto, str]:
    """A channel that is always zero gets weights of a thousand: nothing in FP32, all other weights are 0 in INT8."""
    model = exported()
    first, second = convolutions(model)[1:3]
    bias = next(node.input[2] for node in model.graph.node if node.name == first)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor).copy()
        if tensor.name == bias:
            values[0] = -1e4
        elif tensor.name == weight(model, second).name:
            values[:, 0] = 1e3
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return model, second


def test_the_layer_that_int8_ruins_comes_first_and_leaving_it_out_mends_the_candidate():
    model, ruined = spoiled()
    calibration = calibrated()
    ready = prepare(model, calibration)
    effects = layer_sensitivity(ready, calibration, to_int8_tensorrt)
    assert effects[0].nodes == (ruined,)
    assert sorted(name for effect in effects for name in effect.nodes) == sorted(ready.layers)
    assert effects[0].flips > 5 > max(effect.flips for effect in effects[1:])
    assert f"{ruined}: {effects[0].flips} of 36 decisions change" in effects[0].sentence()
    before = probabilities(model, calibration.images).argmax(axis=1)
    flips = [
        int((probabilities(made, calibration.images).argmax(axis=1) != before).sum())
        for made, _ in (
            to_int8_tensorrt(ready, calibration),
            to_int8_tensorrt(ready, calibration, [ruined]),
        )
    ]
    assert flips[0] > 5
    assert flips[1] <= 1


def test_large_graphs_are_measured_in_runs_of_neighbours(prepared):
    effects = layer_sensitivity(prepared, calibrated(), to_int8_cpu, limit=3, max_images=8)
    found = sorted((effect.nodes for effect in effects), key=lambda g: prepared.layers.index(g[0]))
    assert tuple(itertools.chain(*found)) == prepared.layers
    assert [len(group) for group in found] == [3, 3, 3]
    assert {effect.images for effect in effects} == {8}
    assert all(effect.measured for effect in effects)


def test_when_time_is_up_the_rest_is_named_as_left_out(prepared):
    ticks = itertools.count(step=10.0)
    effects = layer_sensitivity(
        prepared, calibrated(), to_int8_cpu, max_seconds=25.0, clock=lambda: next(ticks)
    )
    measured = {effect.nodes[0] for effect in effects if effect.measured}
    assert measured == {prepared.layers[0], prepared.layers[-1]}
    left = effects[2:]
    assert all(not effect.measured for effect in left)
    assert [effect.max_delta for effect in left] == [None] * (len(prepared.layers) - 2)
    assert left[0].sentence() == f"{left[0].nodes[0]}: left out, the time was up"
    with pytest.raises(ExportError, match="limit must be at least 1"):
        layer_sensitivity(prepared, calibrated(), to_int8_cpu, limit=0)


def test_each_measurement_quantises_one_layer_and_no_other(prepared):
    seen = []

    def watched(model, calibration, exclude=()):
        made, report = to_int8_tensorrt(model, calibration, exclude)
        seen.append(quantised_layers(made))
        return made, report

    layer_sensitivity(prepared, calibrated(), watched, max_images=4)
    assert sorted(seen) == sorted((name,) for name in prepared.layers)
    assert model_bytes(prepared.model) == model_bytes(prepare(exported(), calibrated()).model)


def test_on_a_cpu_the_scale_of_a_relu_replaces_it(prepared):
    before = [node for node in prepared.model.graph.node if node.op_type == "Relu"]
    made, _ = to_int8_cpu(prepared, calibrated())
    left = [node for node in made.graph.node if node.op_type == "Relu"]
    assert len(left) < len(before)
    assert signal_to_noise(exported(), made) > 35.0


SUMS = """<ir_version: 10, opset_import: ["": 20]>
sums (uint8[batch, 8, 8, 3] image) => (float[batch, 3, 8, 8] y) {
    pixels = Cast <to = 1> (image)
    x = Transpose <perm = [0, 3, 1, 2]> (pixels)
    shifted = Add (x, shift)
    a = Conv (shifted, w)
    b = Conv (shifted, w)
    both = Add (a, b)
    gate = Sigmoid (both)
    pooled = GlobalAveragePool (gate)
    y = Add (both, pooled)
}"""


@pytest.mark.parametrize(
    ("exclude", "floating"),
    [
        ((), ["shifted", "pooled", "y"]),
        (("b",), ["shifted", "both", "pooled", "y"]),
        (("a", "b"), ["shifted", "both", "pooled", "y"]),
    ],
)
def test_sums_with_a_side_that_is_not_in_8_bits_are_not_rounded(exclude, floating):
    model = onnx.parser.parse_model(SUMS)
    model.graph.initializer.append(numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "w"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones(1, np.float32), "shift"))
    for node in model.graph.node:
        node.name = node.output[0]
    assert floating_nodes(model, exclude) == floating
