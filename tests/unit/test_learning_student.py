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

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from deploy.edge.spec import Preprocessing
from inspection.config import StudentConfig, TeacherConfig
from inspection.data.index import ImageIndex
from inspection.errors import WeightsError
from inspection.features.extract import Features, extract_features
from inspection.models.heads import Teacher
from inspection.models.student_files import StudentCard, load_deploy_graph, load_student
from inspection.store import Store
from inspection.training.checkpoint import CHECKPOINT
from inspection.training.pixels import FromDisk, InMemory, open_pixels
from inspection.training.student import (
    StudentResult,
    predict_student,
    student_key,
    train_student,
)
from inspection.training.teacher import train_teacher

pytestmark = pytest.mark.training

SIDE = 32
CONFIG = StudentConfig(
    image_size=SIDE, epochs=16, batch_size=8, learning_rate=5e-3, patience=16, distill_features=0.2
)
STEPS = 6  # per epoch: 48 training images

CHILD = """
import os, signal, sys
from pathlib import Path
from inspection.config import StudentConfig
from inspection.data.index import ImageIndex
from inspection.features.extract import Features
from inspection.models.heads import Teacher
from inspection.training import module
from inspection.training.student import train_student

home, folder, config, die_at = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
finish = module.Distillation.finish_step

def finish_step(self):
    finish(self)
    print(self.step, flush=True)
    if self.step == die_at:
        os.kill(os.getpid(), signal.SIGKILL)

module.Distillation.finish_step = finish_step
train_student(
    ImageIndex.load(home / "index.parquet"), Features.load(home), Teacher.load(home),
    StudentConfig.model_validate_json(config), seed=3, folder=folder, device="cpu",
)
"""


def drawn(label: str, generator: np.random.Generator) -> np.ndarray:
    """A grey noisy surface, plain, striped or with one bright spot."""
    image = generator.normal(110, 18, (40, 40))
    if label == "stripes":
        image += 45 * np.sin(np.arange(40) * 1.3 + generator.uniform(0, 6))[:, None]
    if label == "spot":
        y, x = generator.integers(5, 30, 2)
        image[y : y + 6, x : x + 6] += 90
    return np.repeat(image.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny data set, its features and a teacher."""
    home = tmp_path_factory.mktemp("home")
    generator = np.random.default_rng(0)
    rows = []
    for number in range(96):
        label = ("plain", "stripes", "spot")[number % 3]
        cv2.imwrite(str(home / f"{number}.png"), drawn(label, generator))
        split = ("train", "val", "train", "test")[number // 3 % 4]
        rows.append(
            {"path": f"{number}.png", "image_id": f"{number:03d}", "label": label, "split": split}
        )
    index = ImageIndex.from_rows(home, rows)
    config = TeacherConfig(backbone="test_resnet", image_size=64)
    features = extract_features(index, config, store=Store(home / "s"), seed=0, device="cpu")
    index.save(home / "index.parquet")
    features.save(home)
    train_teacher(index, features, config, seed=0).teacher.save(home)
    return home


def trained(
    home: Path, folder: Path, config: StudentConfig = CONFIG, seed: int = 3
) -> StudentResult:
    index = ImageIndex.load(home / "index.parquet")
    features, teacher = Features.load(home), Teacher.load(home)
    return train_student(index, features, teacher, config, seed=seed, folder=folder, device="cpu")


def killed_at(home: Path, folder: Path, step: int, config: StudentConfig = CONFIG) -> None:
    command = [
        sys.executable,
        "-c",
        CHILD,
        str(home),
        str(folder),
        config.model_dump_json(),
        str(step),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr


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
