"""From a graph to a bundle that the device's own verification accepts, and from planted faults to none at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from data_checks.drift_reference import DriftReference
from deploy.edge.bundle import load_drift_reference, load_golden, open_bundle, self_test
from deploy.edge.engines.registry import open_engine
from deploy.edge.errors import BundleError, TamperedBundle
from deploy.edge.files import sha256_file
from deploy.edge.inspector import Inspector
from deploy.edge.shelf import install, workshop
from deploy.edge.statistics import STATISTICS
from deploy.export import release
from deploy.export.golden import MIN_GOLDEN, choose_golden
from deploy.export.onnx_graph import export_onnx
from deploy.export.release import Release, export_bundle
from deploy.export.side_by_side import measure_side_by_side
from deploy.export.torch_engine import TorchEngine
from inspection.data.index import ImageIndex
from inspection.errors import ParityError
from inspection.evaluation.answers import evaluate_bundle
from inspection.features.backbone import load_backbone
from inspection.learning_config import TeacherConfig
from inspection.models.heads import Head, Teacher
from inspection.store import Store
from tests.unit.colour_material import CLASSES, SIZE, ColourGraph, painted, spec

pytestmark = pytest.mark.training


ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Store, ImageIndex, Release]:
    folder = tmp_path_factory.mktemp("bundle")
    store, index = Store(folder / "store"), painted(folder / "images")
    return store, index, export_bundle(ColourGraph(), spec(), index=index, store=store)


def test_the_device_accepts_and_answers(made):
    store, index, released = made
    assert released.folder == store.bundles / released.digest
    inspector = Inspector.open(released.folder)
    pixels = cv2.imread(str(index.paths[1]))[:, :, ::-1].copy()
    assert inspector.inspect(pixels).verdict.label == "green"
    assert inspector.golden_gap <= 1e-6


def test_layout_and_provenance(made):
    _, index, released = made
    bundle = open_bundle(released.folder)
    names = set(bundle.manifest.files)
    assert {"model.onnx", "certificate.json", "drift_reference.npz", "golden/outputs.npz"} < names
    provenance = bundle.manifest.provenance
    assert provenance["index_digest"] == index.digest()
    assert provenance["test_digest"] == "t" * 64
    assert provenance["student_weights"] == "s" * 64
    assert set(provenance["tools"]) > {"torch", "onnx", "onnxruntime"}
    text = (released.folder / "manifest.json").read_text() + json.dumps(bundle.certificate())
    assert str(index.root) not in text
    assert str(ROOT) not in text


def test_certificate_and_evaluation_are_of_the_exported_graph(made):
    _, index, released = made
    row = released.certificate.row("onnxruntime fp32")
    assert row.measured is not None
    assert row.measured.images == len(index.split("test")) == released.evaluation.count
    assert released.evaluation.accuracy.value == 1.0
    assert released.certificate.model_sha256 == sha256_file(released.folder / "model.onnx")
    again = evaluate_bundle(
        open_bundle(released.folder),
        index.split("test"),
        name="colours",
        classes=CLASSES,
        test_digest="t" * 64,
    )
    assert again == released.evaluation
    released.save(released.folder.parent / "release.json")
    assert Release.load(released.folder.parent / "release.json") == released
    (released.folder.parent / "release.json").unlink()


def test_golden_images_are_real_and_of_every_class(made):
    _, index, released = made
    images = load_golden(open_bundle(released.folder))
    assert len(images.pixels) >= MIN_GOLDEN
    called = images.outputs.probabilities.argmax(axis=1)
    assert np.bincount(called, minlength=3).min() >= 5
    files = {cv2.imread(str(path))[:, :, ::-1].tobytes() for path in index.paths}
    assert all(pixels.tobytes() in files for pixels in images.pixels)


def test_drift_reference_is_the_validation_split(made):
    _, index, released = made
    arrays = load_drift_reference(open_bundle(released.folder))
    count = len(index.split("val"))
    groups = DriftReference.from_arrays(arrays).groups
    assert (
        groups is not None
    )  # without them a monitor cries wolf over parts photographed several times
    assert len(groups) == count
    assert {name: a.shape for name, a in arrays.items()} == {
        "statistics": (count, len(STATISTICS)),
        "probabilities": (count, 3),
        "embedding": (count, 3),
        "groups": (count,),
    }
    luma = np.array([0.114, 0.587, 0.299])  # ITU-R BT.601, in OpenCV's order of channels
    grey = [cv2.imread(str(path)).mean(axis=(0, 1)) @ luma for path in index.split("val").paths]
    np.testing.assert_allclose(sorted(arrays["statistics"][:, 0]), sorted(grey), atol=0.05)


def test_the_same_inputs_give_the_same_bundle_later_and_from_elsewhere(made, tmp_path):
    store, index, released = made
    before = (released.folder / "manifest.json").stat().st_mtime_ns
    time.sleep(2.1)  # a zip's clock ticks every two seconds
    again = export_bundle(ColourGraph(), spec(), index=index, store=store)
    assert again == released
    assert (released.folder / "manifest.json").stat().st_mtime_ns == before
    moved = shutil.copytree(index.root, tmp_path / "moved")
    other = export_bundle(
        ColourGraph(), spec(), index=ImageIndex(moved, index.frame), store=Store(tmp_path / "s")
    )
    assert other.digest == released.digest


def test_other_weights_give_another_bundle(made):
    store, index, released = made
    other = export_bundle(ColourGraph(gain=9.0), spec(), index=index, store=store)
    assert other.digest != released.digest
    assert released.folder.is_dir()


def test_a_damaged_twin_on_the_shelf_is_replaced(made, tmp_path):
    _, index, released = made
    store = Store(tmp_path)
    install(released.folder, store.bundles)
    (store.bundles / released.digest / "model.onnx").write_bytes(b"broken")
    healed = export_bundle(ColourGraph(), spec(), index=index, store=store)
    assert open_bundle(healed.folder).digest == released.digest


class Drifting(TorchEngine):
    """A reference that differs from the export in one decision: what a faulty converter would look like."""

    def run(self, images):
        outputs = super().run(images)
        outputs.probabilities[0] = outputs.probabilities[0][::-1]
        return outputs


def test_an_export_that_decides_otherwise_leaves_nothing(made, tmp_path, monkeypatch):
    _, index, _ = made
    monkeypatch.setattr(release, "TorchEngine", Drifting)
    store = Store(tmp_path)
    with pytest.raises(ParityError, match="flips"):
        export_bundle(ColourGraph(), spec(), index=index, store=store)
    assert not store.bundles.exists()


def test_a_golden_answer_that_is_wrong_leaves_nothing(made, tmp_path, monkeypatch):
    _, index, _ = made

    def lying(*args, **kwargs):
        found = choose_golden(*args, **kwargs)
        found.outputs.probabilities[3] = found.outputs.probabilities[3][::-1]
        return found

    monkeypatch.setattr(release, "choose_golden", lying)
    store = Store(tmp_path)
    with pytest.raises(TamperedBundle, match="golden self-test"):
        export_bundle(ColourGraph(), spec(), index=index, store=store)
    assert [p.name for p in store.bundles.iterdir()] == [".lock"]


KILLED = """
import os, signal, sys
from pathlib import Path
from deploy.edge import shelf
shelf.open_bundle = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
shelf.install(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_kill_while_writing_leaves_no_bundle_and_the_next_writer_sweeps(made, tmp_path):
    released = made[2]
    shelf = tmp_path / "shelf"
    command = [sys.executable, "-c", KILLED, str(released.folder), str(shelf)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -9
    left = [p.name for p in shelf.iterdir() if not p.name.startswith(".")]
    assert left == []
    assert list(shelf.glob(".building-*"))
    folder = install(released.folder, shelf)
    assert not list(shelf.glob(".building-*"))
    assert self_test(open_bundle(folder), open_engine("onnxruntime", folder / "model.onnx")) < 1e-6


def test_only_sound_bundles_are_installed(made, tmp_path):
    copy = shutil.copytree(made[2].folder, tmp_path / "copy")
    (copy / "golden/000.png").unlink()
    with pytest.raises(TamperedBundle, match=r"000\.png is missing"):
        install(copy, tmp_path / "shelf")
    assert [p.name for p in (tmp_path / "shelf").iterdir()] == [".lock"]


def test_what_is_no_bundle_is_not_installed(tmp_path):
    (tmp_path / "empty").mkdir()
    for source, complaint in (("nothing", "is no folder"), ("empty", "has no manifest")):
        with pytest.raises(BundleError, match=complaint):
            install(tmp_path / source, tmp_path / "shelf")


def test_several_install_the_same_bundle_at_once(made, tmp_path):
    shelf = tmp_path / "shelf"
    with ThreadPoolExecutor(4) as pool:
        places = list(pool.map(lambda _: install(made[2].folder, shelf), range(8)))
    assert set(places) == {shelf / made[2].digest}
    assert sorted(p.name for p in shelf.iterdir()) == sorted([".lock", made[2].digest])


def test_the_bench_is_gone_when_the_work_breaks(tmp_path):
    def write_half() -> None:
        with workshop(tmp_path) as bench:
            (bench / "half").write_bytes(b"...")
            raise OSError(28, "disk full")

    with pytest.raises(OSError, match="disk full"):
        write_half()
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


def test_a_bundle_of_other_classes_is_scored_on_todays(made, tmp_path):
    _, index, released = made
    bundle = open_bundle(released.folder)
    labels = ["rust" if label == "red" else label for label in index.frame["label"]]
    today = index.with_columns(label=labels).split("test")
    asked = {"name": "old", "classes": ("blue", "green", "rust"), "test_digest": "u" * 64}
    result = evaluate_bundle(bundle, today, **asked)
    assert result.classes == ("blue", "green", "rust", "red")
    recall = {score.label: score.recall.value for score in result.per_class}
    assert (recall["blue"], recall["green"], recall["rust"]) == (1.0, 1.0, 0.0)
    assert set(result.predictions) == {"blue", "green", "red"}


def test_export_alone_gives_the_same_file_as_in_the_bundle(made, tmp_path):
    path = export_onnx(ColourGraph(), SIZE, tmp_path / "model.onnx")
    assert sha256_file(path) == sha256_file(made[2].folder / "model.onnx")


def test_teacher_and_student_are_timed_side_by_side(made):
    config = TeacherConfig(backbone="resnet10t", weights="none", image_size=64)
    backbone = load_backbone(config, seed=1).info
    size = backbone.embedding_size
    arrays = {
        "mean": np.zeros(size, np.float32),
        "scale": np.ones(size, np.float32),
        "weight_0": np.zeros((3, size), np.float32),
        "bias_0": np.zeros(3, np.float32),
    }
    teacher = Teacher(backbone, Head("linear", arrays), CLASSES)
    before = torch.get_num_threads()
    folder = made[2].folder
    slow, fast = measure_side_by_side(folder, teacher, config, seed=1, repetitions=20)
    assert torch.get_num_threads() == before
    assert (slow.runtime, fast.runtime) == ("torch", "onnxruntime")
    assert slow.threads == fast.threads == 1
    assert slow.repetitions == fast.repetitions == 20
    # The backbone is in the teacher's time and size; the student here is a single 3 x 3 matrix.
    assert slow.median_ms > fast.median_ms > 0.0
    assert slow.parameters == backbone.parameters + 3 * size + 3
    assert fast.bytes == (folder / "model.onnx").stat().st_size
    assert 9 <= fast.parameters <= 20
