"""From what a student learns: labels alone, a teacher beside them, images without a label; and what its key sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from inspection.data.index import ImageIndex
from inspection.errors import ConfigError, DataError
from inspection.features.backbone import BackboneInfo
from inspection.features.extract import Features
from inspection.learning_config import StudentConfig
from inspection.models.heads import Head, Teacher
from inspection.models.student_files import load_student
from inspection.training.labels import NO_LABEL, rows_of
from inspection.training.student import LATER_KEYS, StudentResult, student_key, train_student
from tests.unit.learning_material import CLASSES, CONFIG, taught

ALONE = CONFIG.model_copy(update={"epochs": 2, "distill_logits": 0.0, "distill_features": 0.0})
TAUGHT = CONFIG.model_copy(update={"epochs": 2})
INFO = BackboneInfo("resnet18", "none", "0" * 64, "none", 4, 64, (0.5,) * 3, (0.5,) * 3, 10)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught(tmp_path_factory.mktemp("home"), 48)


@pytest.fixture(scope="module")
def index(home: Path) -> ImageIndex:
    return ImageIndex.load(home / "index.parquet")


def run(
    index: ImageIndex, folder: Path, config: StudentConfig, home: Path | None = None
) -> StudentResult:
    """With the teacher of `home`, or without one."""
    folder.mkdir(exist_ok=True)
    features, teacher = (Features.load(home), Teacher.load(home)) if home else (None, None)
    return train_student(index, features, teacher, config, seed=3, folder=folder, device="cpu")


@pytest.mark.slow
@pytest.mark.training
def test_without_a_teacher_it_learns_from_labels_alone(index: ImageIndex, tmp_path: Path) -> None:
    result = run(index, tmp_path / "out", ALONE.model_copy(update={"epochs": 24}))
    assert result.validation.accuracy > 0.6  # a third by chance
    assert all(e.loss_logits == e.loss_features == 0.0 for e in result.history)
    assert result.history[-1].loss < 0.8 * result.history[0].loss
    student, card = load_student(tmp_path / "out")
    assert card.classes == CLASSES
    assert result.trained_parameters == student.parameters_count
    assert run(index, tmp_path / "out", ALONE.model_copy(update={"epochs": 24})) == result


@pytest.mark.training
def test_a_teacher_nobody_listens_to_changes_nothing(
    home: Path, index: ImageIndex, tmp_path: Path
) -> None:
    without = run(index, tmp_path / "without", ALONE)
    beside = run(index, tmp_path / "with", ALONE, home)
    assert [epoch.loss for epoch in beside.history] == pytest.approx(
        [epoch.loss for epoch in without.history], rel=1e-4
    )
    states = [load_file(tmp_path / name / "student.safetensors") for name in ("without", "with")]
    for name, tensor in states[1].items():
        torch.testing.assert_close(states[0][name], tensor, atol=1e-3, rtol=0)


@pytest.mark.parametrize("listens", [{"distill_logits": 0.5}, {"distill_features": 0.1}])
def test_to_distil_from_nobody_is_refused(
    index: ImageIndex, tmp_path: Path, listens: dict[str, float]
) -> None:
    with pytest.raises(ConfigError, match="there is no teacher to distil from: train one, or set"):
        run(index, tmp_path, ALONE.model_copy(update=listens))


def without_labels(index: ImageIndex, share: int) -> ImageIndex:
    """All but every `share`-th training image lose their label."""
    lost = (index.frame["split"] == "train") & (np.arange(len(index)) % share != 0)
    return index.with_columns(label=index.frame["label"].where(~lost, None))


def test_unlabelled_rows_come_when_asked_for_and_only_in_training(index: ImageIndex) -> None:
    few = without_labels(index, 4)
    classes = few.classes
    labelled, every = (rows_of(few, "train", classes, unlabelled=ask) for ask in (False, True))
    assert len(every) == 24
    assert len(labelled) == (every.labels != NO_LABEL).sum() < 24
    assert set(labelled.image_ids) < set(every.image_ids)
    with pytest.raises(DataError, match="the train split holds no labelled images"):
        rows_of(index.with_columns(label=None), "train", classes, unlabelled=True)


@pytest.mark.training
def test_images_without_a_label_teach_by_what_the_teacher_says_of_them(
    home: Path, index: ImageIndex, tmp_path: Path
) -> None:
    few = without_labels(index, 4)
    off = run(few, tmp_path / "off", TAUGHT, home)
    on = run(few, tmp_path / "on", TAUGHT.model_copy(update={"unlabelled": True}), home)
    assert on.key != off.key
    # A wrong label on them would change nothing: none of theirs is looked at.
    assert on.history[0].loss_labels > 0
    assert on.history[-1].loss_logits > 0
    states = [load_file(tmp_path / name / "student.safetensors") for name in ("off", "on")]
    assert any(not torch.equal(states[0][name], tensor) for name, tensor in states[1].items())


def test_with_every_label_there_a_wish_for_unlabelled_images_is_refused(
    home: Path, index: ImageIndex, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="the train split holds no unlabelled image"):
        run(index, tmp_path, TAUGHT.model_copy(update={"unlabelled": True}), home)


def test_unlabelled_images_without_a_teachers_voice_are_refused(
    home: Path, index: ImageIndex, tmp_path: Path
) -> None:
    config = ALONE.model_copy(update={"unlabelled": True})
    with pytest.raises(ConfigError, match="only a teacher can say what unlabelled images show"):
        run(index, tmp_path, config, home)


def small_index() -> ImageIndex:
    names = [(f"{i}.png", f"{i:03d}", "ab"[i % 2], ("train", "val")[i // 2 % 2]) for i in range(8)]
    keys = ("path", "image_id", "label", "split")
    return ImageIndex.from_rows(Path("x"), [dict(zip(keys, row, strict=True)) for row in names])


def small_teacher() -> Teacher:
    zeros, ones = np.zeros(4, np.float32), np.ones(4, np.float32)
    arrays = {"mean": zeros, "scale": ones, "weight_0": np.eye(2, 4, dtype=np.float32)}
    head = Head("linear", {**arrays, "bias_0": np.zeros(2, np.float32)})
    return Teacher(INFO, head, ("a", "b"), 1.5)


def test_keys_of_runs_before_there_were_strategies_still_hold() -> None:
    """Written down from the code before the new settings came."""
    other = StudentConfig(architecture="timm:resnet10t", learning_rate=1e-4, epochs=5)
    old = {
        "ed8a93ea4238eed1f30e770452827dfb83a46352203120005634118571109e8e": (StudentConfig(), 7),
        "8a794be78b310dbfe4a8f0bcc8b12c3ce5b93235758db26cbcd7fcc0b94b7680": (other, 1),
    }
    for key, (config, seed) in old.items():
        assert student_key(small_index(), small_teacher(), config, seed=seed) == key


NEW_VALUES = {
    "strategy": "freeze",
    "last_stages": 2,
    "layer_decay": 0.5,
    "schedule": "plateau",
    "mix": "mixup",
    "jitter": 0.1,
    "rotate": 5.0,
    "mirror_axes": "horizontal",
    "unlabelled": True,
    "consistent": True,
}


def test_every_new_setting_is_seen_by_the_key() -> None:
    assert set(NEW_VALUES) == set(LATER_KEYS)
    keys = {student_key(small_index(), small_teacher(), StudentConfig(), seed=7)}
    for name, value in NEW_VALUES.items():
        config = StudentConfig.model_validate({name: value})
        keys.add(student_key(small_index(), small_teacher(), config, seed=7))
    keys.add(student_key(small_index(), None, StudentConfig(), seed=7))
    assert len(keys) == len(NEW_VALUES) + 2
