"""What every device runtime owes: the golden vectors, the graph contract, and no answer rather than a wrong one.

A runtime is found here as soon as it has its line in `deploy/edge/engines/registry.py`. The vectors are worked out by
numpy from the graph's own weights, not by any runtime.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from deploy.edge.bundle import open_bundle, self_test
from deploy.edge.decide import decide
from deploy.edge.engines.registry import ENGINES, open_engine
from deploy.edge.errors import BundleError, EngineError, PlumblineError, TamperedBundle, UserError
from tests.devices import gpu_marks, skip_unless_here
from tests.edge_bundles import (
    CLASSES,
    DECISION,
    HEIGHT,
    WIDTH,
    by_numpy,
    graph,
    resign,
    write_bundle,
)

TOLERANCE = 1e-4
every_engine = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=gpu_marks(name)) for name in ENGINES]
)


@pytest.fixture(autouse=True)
def engine_is_here(request: pytest.FixtureRequest) -> None:
    """A runtime that this machine cannot run is skipped with the reason, or fails where it is required."""
    call = getattr(request.node, "callspec", None)
    if call is not None and "name" in call.params:
        skip_unless_here(call.params["name"])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(graph().SerializeToString())
    return path


def batch(count: int) -> Any:
    random = np.random.default_rng(count)
    tints = random.integers(0, 200, (count, 1, 1, 3))
    return (tints + random.integers(0, 56, (count, HEIGHT, WIDTH, 3))).astype(np.uint8)


@every_engine
@pytest.mark.parametrize("count", [1, 2, 7, 33])
def test_golden_vectors(name: str, count: int, model: Path) -> None:
    images = batch(count)
    found, expected = open_engine(name, model).run(images), by_numpy(images)
    assert found.probabilities.dtype == found.embedding.dtype == np.float32
    assert np.abs(found.probabilities - expected.probabilities).max() <= TOLERANCE
    assert np.abs(found.embedding - expected.embedding).max() <= TOLERANCE * 10
    for ours, theirs in zip(found.probabilities, expected.probabilities, strict=True):
        assert decide(ours, CLASSES, DECISION).label == decide(theirs, CLASSES, DECISION).label


@every_engine
def test_answer__depends_on_the_image_alone(name: str, model: Path) -> None:
    engine, images = open_engine(name, model), batch(5)
    together = engine.run(images)
    for i in range(5):
        alone = engine.run(images[i : i + 1])
        assert np.abs(alone.probabilities[0] - together.probabilities[i]).max() <= 1e-6
    assert np.array_equal(engine.run(images).probabilities, together.probabilities)


@every_engine
def test_images__need_not_be_contiguous(name: str, model: Path) -> None:
    images = batch(4)
    engine = open_engine(name, model)
    mirrored = engine.run(images[:, :, ::-1]).probabilities
    assert np.array_equal(mirrored, engine.run(images[:, :, ::-1].copy()).probabilities)


@every_engine
@pytest.mark.parametrize(
    "shape",
    [(0, HEIGHT, WIDTH, 3), (1, WIDTH, HEIGHT, 3), (HEIGHT, WIDTH, 3), (1, HEIGHT, WIDTH, 4)],
)
def test_other_shapes__are_refused(name: str, shape: tuple[int, ...], model: Path) -> None:
    with pytest.raises(EngineError):
        open_engine(name, model).run(np.zeros(shape, np.uint8))


@every_engine
def test_other_types__are_refused(name: str, model: Path) -> None:
    with pytest.raises(EngineError, match="float32"):
        open_engine(name, model).run(np.zeros((1, HEIGHT, WIDTH, 3), np.float32))


@every_engine
@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"image": "pixels"}, "pixels"),
        ({"kind": TensorProto.FLOAT}, "uint8"),
        ({"shape": ("batch", 3, HEIGHT, WIDTH)}, "uint8"),
        ({"shape": ("batch", "height", "width", 3)}, "height"),
        ({"shape": (1, HEIGHT, WIDTH, 3)}, "dynamic batch"),
        ({"outputs": ("probabilities",)}, "embedding"),
        ({"outputs": ("embedding", "logits")}, "probabilities"),
    ],
)
def test_broken_graph_contract__is_refused(
    name: str, broken: dict[str, Any], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(graph(**broken).SerializeToString())
    with pytest.raises(BundleError, match=says):
        open_engine(name, path)


@every_engine
@pytest.mark.parametrize("content", [b"", b"no model at all", None])
def test_no_model__is_a_bundle_error_in_one_line(
    name: str, content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError) as caught:
        open_engine(name, path)
    assert "\n" not in str(caught.value)


@every_engine
def test_cut_model__is_refused(name: str, model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-200])
    with pytest.raises(PlumblineError):
        open_engine(name, model).run(batch(1))


@every_engine
def test_graph_that_fails_on_an_image__is_an_engine_error(name: str, tmp_path: Path) -> None:
    path, failing = tmp_path / "model.onnx", graph()
    (shape,) = (value for value in failing.graph.initializer if value.name == "flat_shape")
    shape.raw_data = np.array([-1, 7]).tobytes()  # 576 values cannot be rows of 7
    for node in failing.graph.node:
        if node.op_type == "MatMul" and node.input[1] == "first":
            node.input[1] = "sevens"
    failing.graph.initializer.append(numpy_helper.from_array(np.ones((7, 8), np.float32), "sevens"))
    path.write_bytes(failing.SerializeToString())
    with pytest.raises(EngineError):
        open_engine(name, path).run(batch(1))


@every_engine
def test_answer_of_another_type__is_an_engine_error(name: str, tmp_path: Path) -> None:
    path, wide = tmp_path / "model.onnx", graph(outputs=("probabilities",))
    wide.graph.node.append(helper.make_node("Cast", ["hidden"], ["wide"], to=TensorProto.DOUBLE))
    (relu,) = (node for node in wide.graph.node if node.op_type == "Relu")
    relu.output[0] = "active"
    for node in wide.graph.node:
        node.input[:] = ["active" if value == "embedding" else value for value in node.input]
        node.output[:] = ["embedding" if value == "wide" else value for value in node.output]
    value = helper.make_tensor_value_info("embedding", TensorProto.DOUBLE, ["batch", 8])
    wide.graph.output.append(value)
    path.write_bytes(wide.SerializeToString())
    with pytest.raises(EngineError, match="float64"):
        open_engine(name, path).run(batch(1))


@every_engine
def test_description__is_json_and_says_where_the_graph_runs(name: str, model: Path) -> None:
    facts = json.loads(json.dumps(open_engine(name, model, threads=1).describe()))
    assert facts["engine"] == name
    assert facts["threads"] == 1
    assert facts["input"] == [HEIGHT, WIDTH, 3]
    assert sum(facts["placement"].values()) > 0


@every_engine
def test_threads__must_be_one_or_more(name: str, model: Path) -> None:
    with pytest.raises(BundleError, match="threads"):
        open_engine(name, model, threads=0)


@every_engine
def test_self_test__passes_the_sound_and_fails_the_swapped_bundle(
    name: str, tmp_path: Path
) -> None:
    folder = write_bundle(tmp_path / "bundle")
    engine = open_engine(name, folder / "model.onnx")
    assert self_test(open_bundle(folder), engine) <= TOLERANCE
    changed = graph()
    (bias,) = (value for value in changed.graph.initializer if value.name == "scale")
    bias.CopyFrom(type(bias).FromString(bias.SerializeToString()))
    bias.raw_data = np.float32(1 / 200).tobytes()
    (folder / "model.onnx").write_bytes(changed.SerializeToString())
    resign(folder)  # every hash fits again
    with pytest.raises(TamperedBundle, match="golden self-test"):
        self_test(open_bundle(folder), open_engine(name, folder / "model.onnx"))


def test_unknown_engine__comes_with_the_nearest_name(model: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'onnxruntime'"):
        open_engine("onnxruntme", model)
    with pytest.raises(UserError, match="choose from onnxruntime, "):
        open_engine("abacus", model)


def test_outputs__cannot_be_reassigned() -> None:
    answers = by_numpy(batch(1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        answers.probabilities = answers.embedding  # type: ignore[misc] # the point of the test
