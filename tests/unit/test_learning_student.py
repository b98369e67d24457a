"""A student learns, is written whole, and goes on after SIGKILL as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from deploy.edge.spec import Preprocessing
from inspection.data.index import ImageIndex
from inspection.errors import WeightsError
from inspection.models.heads import Teacher
from inspection.models.student_files import StudentCard, load_deploy_graph, load_student
from inspection.training.checkpoint import CHECKPOINT
from inspection.training.pixels import FromDisk, InMemory, open_pixels
from inspection.training.student import (
    StudentResult,
    predict_student,
    student_key,
)
from tests.unit.learning_material import CHILD, CONFIG, SIDE, killed_at, taught, trained

pytestmark = pytest.mark.training

STEPS = 6  # per epoch: 48 training images


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny data set, its features and a teacher."""
    return taught(tmp_path_factory.mktemp("home"), 96)


def decisions(home: Path, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    test = ImageIndex.load(home / "index.parquet").split("test")
    logits, _ = predict_student(folder, test, device="cpu")
    names = load_student(folder)[1].classes
    return logits, np.array([names.index(label) for label in test.frame["label"]])


@pytest.fixture(scope="module")
def straight(home: Path, tmp_path_factory: pytest.TempPathFactory) -> StudentResult:
    """The run that nobody disturbed."""
    return trained(home, tmp_path_factory.mktemp("straight"))


def test_it_learns(home: Path, straight: StudentResult) -> None:
    logits, labels = decisions(home, straight.folder)
    assert (logits.argmax(1) == labels).mean() > 0.8
    assert straight.epochs_run == len(straight.history) == CONFIG.epochs
    assert straight.history[-1].loss < 0.7 * straight.history[0].loss
    assert straight.validation == straight.history[straight.best_epoch - 1].validation
    assert straight.resumed_from is None


def test_what_is_written_is_all_that_is_needed(home: Path, straight: StudentResult) -> None:
    names = sorted(path.name for path in straight.folder.iterdir())
    assert names == ["result.json", "student.json", "student.safetensors"]
    graph, card = load_deploy_graph(straight.folder)
    test = ImageIndex.load(home / "index.parquet").split("test")
    logits, embedding = predict_student(straight.folder, test, device="cpu")
    assert embedding.shape == (len(test), card.embedding_size)
    pixels = FromDisk(test.paths, card.preprocessing).take(torch.arange(len(test)))
    with torch.inference_mode():
        probabilities, _ = graph(pixels)
    expected = torch.softmax(torch.from_numpy(logits) / card.temperature, dim=1)
    assert torch.allclose(probabilities, expected, atol=1e-5)


def test_asked_again_it_answers_from_the_folder(home: Path, straight: StudentResult) -> None:
    before = (straight.folder / "student.safetensors").stat().st_mtime_ns
    assert trained(home, straight.folder) == straight
    assert (straight.folder / "student.safetensors").stat().st_mtime_ns == before


def test_a_result_survives_json(straight: StudentResult) -> None:
    assert StudentResult.from_json(straight.to_json()) == straight


def test_the_process_keeps_its_random_state(home: Path, tmp_path: Path) -> None:
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    trained(home, tmp_path, CONFIG.model_copy(update={"epochs": 1}))
    assert torch.equal(before, torch.random.get_rng_state())


def test_nothing_is_said_but_by_our_own_bar(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(home, tmp_path, CONFIG.model_copy(update={"epochs": 1}))
    assert capfd.readouterr() == ("", "")


def test_killed_at_an_epochs_end_the_numbers_are_the_same(
    home: Path, straight: StudentResult, tmp_path: Path
) -> None:
    killed_at(home, tmp_path, 2 * STEPS + 1)  # the first step after two epochs
    assert (tmp_path / CHECKPOINT).is_file()
    assert not (tmp_path / "result.json").exists()
    result = trained(home, tmp_path)
    assert result.resumed_from == 2 * STEPS
    assert [epoch.epoch for epoch in result.history] == list(range(1, CONFIG.epochs + 1))
    for ours, theirs in zip(result.history, straight.history, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, abs=1e-6)
        assert ours.validation.loss == pytest.approx(theirs.validation.loss, abs=1e-6)
    ours, _ = decisions(home, tmp_path)
    theirs, _ = decisions(home, straight.folder)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert not (tmp_path / CHECKPOINT).exists()


@pytest.mark.slow
def test_killed_inside_an_epoch_no_more_than_one_decision_moves(
    home: Path, straight: StudentResult, tmp_path: Path
) -> None:
    config = CONFIG.model_copy(update={"checkpoint_every_steps": 1})
    killed_at(home, tmp_path, 3 * STEPS + 6, config)  # the epoch's last step: not yet saved
    result = trained(home, tmp_path, config)
    assert result.resumed_from == 3 * STEPS + 5
    assert result.key == straight.key  # how often to save does not change the run
    ours, _ = decisions(home, tmp_path)
    theirs, _ = decisions(home, straight.folder)
    assert (ours.argmax(1) != theirs.argmax(1)).sum() <= 1
    assert result.history[-1].loss == pytest.approx(straight.history[-1].loss, abs=1e-6)


@pytest.mark.slow
def test_ten_kills_at_random_moments(home: Path, straight: StudentResult, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"checkpoint_every_steps": 1})
    moments = random.Random(0)
    for _ in range(10):
        command = [
            sys.executable,
            "-c",
            CHILD,
            str(home),
            str(tmp_path),
            config.model_dump_json(),
            "-1",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            child.stdout.readline()  # training has begun
            time.sleep(moments.uniform(0.0, 0.15))
            os.kill(child.pid, signal.SIGKILL)
    result = trained(home, tmp_path, config)
    ours, _ = decisions(home, tmp_path)
    theirs, _ = decisions(home, straight.folder)
    assert (ours.argmax(1) != theirs.argmax(1)).sum() <= 1
    assert result.history[-1].validation.loss == pytest.approx(
        straight.history[-1].validation.loss, abs=1e-6
    )


@pytest.mark.slow
def test_killed_before_the_card_is_written_nothing_is_trained_twice(
    home: Path, straight: StudentResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All epochs done, then the disk is full while the student is written."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("inspection.training.student.save_weights", full)
        with pytest.raises(OSError, match="No space"):
            trained(home, tmp_path)
    assert not (tmp_path / "result.json").exists()
    _assert_no_pickle(tmp_path / CHECKPOINT, CONFIG.epochs * STEPS)
    result = trained(home, tmp_path)
    assert result.resumed_from == CONFIG.epochs * STEPS
    assert result.history == straight.history


def _assert_no_pickle(checkpoint: Path, step: int) -> None:
    data = checkpoint.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    facts = json.loads(header.pop("__metadata__")["facts"])
    assert facts["step"] == step
    parts = {name.partition(".")[0] for name in header}
    assert parts == {"average", "best", "optimizer", "projection", "student"}


@pytest.mark.parametrize("change", [{"learning_rate": 1e-3}, {"distill_logits": 0.1}])
def test_another_config_starts_anew(home: Path, tmp_path: Path, change: dict[str, float]) -> None:
    first = trained(home, tmp_path, CONFIG.model_copy(update={"epochs": 1}))
    other = trained(home, tmp_path, CONFIG.model_copy(update={"epochs": 1, **change}))
    assert other.key != first.key
    assert other.resumed_from is None
    assert other.history != first.history


def test_the_key_sees_data_teacher_and_seed(home: Path) -> None:
    index = ImageIndex.load(home / "index.parquet")
    teacher = Teacher.load(home)
    key = student_key(index, teacher, CONFIG, seed=3)
    relabelled = index.frame["label"].where(index.frame["path"] != "0.png", "spot")
    shuffled = ImageIndex(index.root, index.frame.iloc[::-1].reset_index(drop=True))
    warmer = Teacher(teacher.backbone, teacher.head, teacher.classes, 9.0)
    assert student_key(shuffled, teacher, CONFIG, seed=3) == key
    assert student_key(index.with_columns(label=relabelled), teacher, CONFIG, seed=3) != key
    assert student_key(index, warmer, CONFIG, seed=3) != key
    assert student_key(index, teacher, CONFIG, seed=4) != key


def test_it_stops_when_validation_no_longer_improves(home: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"epochs": 30, "patience": 2, "learning_rate": 1e-9})
    result = trained(home, tmp_path, config)
    assert result.epochs_run == result.best_epoch + 2
    assert result.epochs_run < 30


def test_a_student_starts_from_another_ones_weights(
    home: Path, straight: StudentResult, tmp_path: Path
) -> None:
    weights = straight.folder / "student.safetensors"
    config = CONFIG.model_copy(update={"epochs": 1, "learning_rate": 1e-5, "weights": str(weights)})
    warm = trained(home, tmp_path, config)
    card = StudentCard.load(tmp_path / "student.json")
    assert card.started_from == "student.safetensors"
    cold = straight.history[0].validation
    assert warm.history[0].validation.macro_f1 >= cold.macro_f1
    # Given statistics stay as given: files with folded norms live by them.
    given, kept = load_file(weights), load_file(tmp_path / "student.safetensors")
    moving = [name for name in given if name.endswith("running_var")]
    assert moving
    assert all(torch.equal(given[name], kept[name]) for name in moving)
    assert not torch.equal(given["classifier.weight"], kept["classifier.weight"])


def test_a_changed_weights_file_is_not_run(
    home: Path, straight: StudentResult, tmp_path: Path
) -> None:
    for name in ("student.json", "student.safetensors"):
        (tmp_path / name).write_bytes((straight.folder / name).read_bytes())
    data = bytearray((tmp_path / "student.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "student.safetensors").write_bytes(data)
    with pytest.raises(WeightsError, match="not what its card promises"):
        load_student(tmp_path)
    with pytest.raises(WeightsError, match="train one first"):
        load_student(tmp_path / "nowhere")


def test_pixels_are_the_same_from_memory_and_from_disk(home: Path) -> None:
    index = ImageIndex.load(home / "index.parquet")
    cut = Preprocessing(SIDE, SIDE)
    kept = open_pixels(index.paths, cut, what="test")
    read = open_pixels(index.paths, cut, what="test", memory_bytes=SIDE * SIDE * 3 * 95)
    assert isinstance(kept, InMemory)
    assert isinstance(read, FromDisk)
    positions = torch.tensor([5, 90, 0])
    assert torch.equal(kept.take(positions), read.take(positions))
