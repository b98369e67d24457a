"""Bundles in MLflow and out again, through MLflow's own doors; no torch anywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import onnx
import pytest
from mlflow.exceptions import MlflowException
from onnx import TensorProto, helper, numpy_helper

from deploy.edge.bundle import Golden, load_golden, open_bundle
from deploy.edge.engines.registry import open_engine
from deploy.edge.errors import BundleError, TamperedBundle
from deploy.edge.files import sha256_file
from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Decision, Preprocessing
from deploy.export.bundle_writer import BundleParts, BundleSpec, write_bundle
from deploy.export.certificate import certify
from deploy.registry import models
from deploy.registry.aliases import Hand
from deploy.registry.models import (
    ModelVersion,
    bundle_of,
    champion_bundle,
    get_version,
    list_versions,
    mark_judged,
    register_bundle,
)
from deploy.registry.promotion import promote
from deploy.registry.tracking import RegistryError, TrackedRun, open_tracking, track_run
from inspection.errors import UserError
from inspection.evaluation.answers import Answers
from inspection.store import Store
from tests.registry_sites import empty_database, store_on

__all__ = ["empty_database"]
pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
SIZE = Preprocessing(height=8, width=8)
CLASSES = ("blue", "green", "red")


def colour_graph(path: Path, gain: float) -> Path:
    """The graph contract by hand: cast, mean, matrix, softmax."""
    weights = numpy_helper.from_array(np.eye(3, dtype=np.float32)[::-1] * gain, "weights")
    axes = numpy_helper.from_array(np.array([1, 2], dtype=np.int64), "axes")
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["embedding"], keepdims=0),
        helper.make_node("MatMul", ["embedding", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 8, 8, 3])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3])
        for name in ("probabilities", "embedding")
    ]
    graph = helper.make_graph(nodes, "colours", [image], outputs, [weights, axes])
    opsets = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def crowned(store: Store, folder: Path, run_id: str) -> ModelVersion:
    """Registered, let through by a gate, champion."""
    version = register_bundle(store, "demo", folder, run_id=run_id)
    mark_judged(store, "demo", folder.name, passed=True, sentence="good")
    promote(store, "demo", version.version, Hand("it is better"))
    return get_version(store, "demo", version.version)


def make_bundle(store: Store, scratch: Path, gain: float = 0.05) -> Path:
    path = colour_graph(scratch / "model.onnx", gain)
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (18, 8, 8, 3), dtype=np.uint8)
    pixels[np.arange(18), :, :, np.arange(18) % 3] //= 2
    outputs = open_engine("onnxruntime", path).run(pixels)
    answers = Answers(
        image_ids=tuple(f"{i:064x}" for i in range(18)),
        labels=tuple(CLASSES[i % 3] for i in range(18)),
        probabilities=outputs.probabilities,
        embedding=outputs.embedding,
        statistics=np.zeros((18, 3), dtype=np.float32),
    )
    decision = Decision(ok_class="green")
    certificate = certify(
        answers,
        answers,
        classes=CLASSES,
        decision=decision,
        model_sha256=sha256_file(path),
        test_digest="t" * 64,
        hashes={},
    )
    parts = BundleParts(path, Golden(tuple(pixels), outputs), answers, certificate, {}, {})
    spec = BundleSpec("colours", CLASSES, SIZE, decision, 1.0, "t" * 64, {})
    return write_bundle(store, spec, parts)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(tmp_path_factory.mktemp("models") / "store")


@pytest.fixture
def fresh(empty_database, tmp_path) -> Store:
    """A store nobody has written to yet."""
    return store_on(empty_database, tmp_path / "store")


@pytest.fixture(scope="module")
def bundle(store, tmp_path_factory) -> Path:
    return make_bundle(store, tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def registered(store, bundle) -> ModelVersion:
    run = track_run(store, "demo", TrackedRun("first", metrics={"macro_f1": 0.9}))
    return register_bundle(store, "demo", bundle, run_id=run, tags={"gate": "passed"})


def test_looking_at_an_empty_store_creates_nothing(tmp_path):
    empty = Store(tmp_path / "store")
    assert list_versions(empty) == ()
    assert champion_bundle(empty, "demo") is None
    assert list(tmp_path.iterdir()) == []


def test_a_version_says_what_it_is(registered, bundle):
    assert (registered.name, registered.version) == ("demo", 1)
    assert registered.digest == bundle.name
    assert registered.aliases == ("challenger",)
    assert registered.metrics == {"macro_f1": 0.9}
    assert registered.tags["gate"] == "passed"
    assert registered.created.endswith("+00:00")
    assert ModelVersion.from_json(registered.to_json()) == registered


def test_mlflow_runs_it_by_its_signature(store, registered, bundle):
    open_tracking(store)
    golden = load_golden(open_bundle(bundle))
    images = np.stack([preprocess(p, SIZE) for p in golden.pixels])
    model = mlflow.pyfunc.load_model("models:/demo@challenger")
    answers = model.predict(images)
    np.testing.assert_allclose(answers["probabilities"], golden.outputs.probabilities, atol=1e-6)
    np.testing.assert_allclose(answers["embedding"], golden.outputs.embedding, atol=1e-4)
    signature = model.metadata.signature
    assert [(s.type, s.shape) for s in signature.inputs] == [(np.dtype("uint8"), (-1, 8, 8, 3))]
    assert [s.name for s in signature.outputs] == ["probabilities", "embedding"]
    with pytest.raises(MlflowException):
        model.predict(images[:, :4])
    with pytest.raises(MlflowException):
        model.predict(images.astype(np.float32))


def test_no_pickle_is_in_the_registry(store, registered):
    files = [path for path in store.mlflow_artifacts.rglob("*") if path.is_file()]
    assert any(path.name == "model.onnx" for path in files)
    assert not [p for p in files if p.suffix in (".pkl", ".pickle", ".joblib", ".pt", ".pth")]
    # A pickle opens with protocol byte 0x80 and ends with a full stop.
    assert not [p for p in files if p.read_bytes()[:1] == b"\x80"]


def test_the_same_bundle_is_registered_once(store, registered, bundle):
    run = track_run(store, "demo", TrackedRun("again"))
    again = register_bundle(store, "demo", bundle, run_id=run)
    assert again.version == registered.version
    assert len(list_versions(store, "demo")) == 1


def test_promotion_moves_the_champion_and_remembers_the_last(fresh, tmp_path, bundle):
    store = fresh
    run = track_run(store, "demo", TrackedRun("x"))
    register_bundle(store, "demo", bundle, run_id=run)
    assert champion_bundle(store, "demo") is None
    assert crowned(store, bundle, run).aliases == ("challenger", "champion")
    better = make_bundle(store, tmp_path, gain=0.06)
    second = register_bundle(store, "demo", better, run_id=run)
    assert second.aliases == ("challenger",)
    assert crowned(store, better, run).aliases == ("challenger", "champion")
    assert get_version(store, "demo", 1).aliases == ("previous",)
    assert [v.version for v in list_versions(store)] == [2, 1]
    assert champion_bundle(store, "demo") == store.bundles / better.name
    # Lost from the shelf, it comes back out of the registry; the registry's own copy stays.
    shutil.rmtree(store.bundles)
    for _ in range(2):
        assert open_bundle(champion_bundle(store, "demo")).digest == better.name
    assert bundle_of(store, "demo", 1).name == bundle.name


def registry_files(store: Store, name: str) -> Path:
    return next(store.mlflow_artifacts.rglob(name))


def test_a_bundle_changed_inside_the_registry_is_never_handed_out(fresh, bundle):
    store = fresh
    run = track_run(store, "demo", TrackedRun("x"))
    crowned(store, bundle, run)
    shutil.rmtree(store.bundles)
    model = registry_files(store, "model.onnx")
    model.write_bytes(model.read_bytes()[:-1] + b"\x00")
    with pytest.raises(TamperedBundle, match=r"model\.onnx was changed"):
        champion_bundle(store, "demo")
    assert [p.name for p in store.bundles.iterdir()] == [".lock"]
    client = open_tracking(store)
    client.set_model_version_tag("demo", "1", "digest", "f" * 64)
    with pytest.raises(UserError, match="carries no bundle"):
        champion_bundle(store, "demo")


def test_a_version_that_answers_otherwise_is_taken_away(fresh, tmp_path, bundle, monkeypatch):
    store = fresh
    run = track_run(store, "demo", TrackedRun("x"))
    liar = tmp_path / "liar.py"
    liar.write_text(
        models.SERVED.read_text().replace(
            '"probabilities": outputs.probabilities', '"probabilities": outputs.probabilities * 0.9'
        )
    )
    monkeypatch.setattr(models, "SERVED", liar)
    with pytest.raises(RegistryError, match="golden images 0"):
        register_bundle(store, "demo", bundle, run_id=run)
    assert list_versions(store) == ()
    assert champion_bundle(store, "demo") is None


def test_a_broken_bundle_is_not_registered(store, bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "certificate.json").write_text("{}")
    before = len(list_versions(store))
    with pytest.raises(TamperedBundle, match="certificate"):
        register_bundle(store, "demo", copy, run_id="none")
    with pytest.raises(BundleError, match="no bundle folder"):
        register_bundle(store, "demo", tmp_path / "nothing", run_id="none")
    assert len(list_versions(store)) == before


RACER = """
import sys
from pathlib import Path
from deploy.registry.aliases import Hand
from deploy.registry.models import register_bundle
from deploy.registry.promotion import Terms, promote
from deploy.registry.tracking import TrackedRun, track_run
from inspection.store import Store
store = Store(Path(sys.argv[1]))
run = track_run(store, "race", TrackedRun(sys.argv[3]))
version = register_bundle(store, "race", Path(sys.argv[2]), run_id=run)
terms = Terms(force=True)
print(promote(store, "race", version.version, Hand("race"), terms=terms).holder.version)
"""


@pytest.mark.slow
def test_two_processes_register_the_same_bundle_at_once(fresh, bundle):
    command = [sys.executable, "-c", RACER, str(fresh.root), str(bundle)]
    racers = [
        subprocess.Popen(
            [*command, name],
            cwd=ROOT,
            env=dict(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    said = [racer.communicate(timeout=240) for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0], "\n".join(e for _, e in said)
    assert [out.strip() for out, _ in said] == ["1", "1"]
    versions = list_versions(fresh, "race")
    assert [v.aliases for v in versions] == [("challenger", "champion")]
