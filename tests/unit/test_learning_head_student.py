"""The small head: it repeats what the teacher says, and knows no more than it was told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from inspection.data.index import ImageIndex
from inspection.features.backbone import BackboneInfo
from inspection.features.extract import Features
from inspection.learning_config import TeacherConfig
from inspection.models.heads import Teacher
from inspection.training.head_student import distil_head
from inspection.training.teacher import train_teacher

pytestmark = pytest.mark.training

INFO = BackboneInfo("x", "none", "0", "none", 4, 64, (0.5,) * 3, (0.5,) * 3, 1)
SPLITS = {"train": 150, "val": 60, "test": 90}


@pytest.fixture(scope="module")
def material() -> tuple[ImageIndex, Features, npt.NDArray[np.int64]]:
    """Three classes on a ring that no linear probe can tell apart, and their true numbers."""
    generator = np.random.default_rng(0)
    count = sum(SPLITS.values())
    labels = generator.integers(0, 3, count)
    angle = generator.uniform(0, 2 * np.pi, count)
    ring = (1.0 + labels)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    matrix = np.concatenate([ring, ring**2, 0.2 * generator.normal(size=(count, 12))], axis=1)
    rows = [
        {"path": f"{i}.png", "image_id": f"{i:05d}", "label": f"class{label}", "split": split}
        for i, (label, split) in enumerate(
            zip(labels, np.repeat(list(SPLITS), list(SPLITS.values())), strict=True)
        )
    ]
    ids = tuple(row["image_id"] for row in rows)
    index = ImageIndex.from_rows(Path("nowhere"), rows)
    return index, Features(ids, matrix.astype(np.float32), INFO), labels


@pytest.fixture(scope="module")
def teacher(material: tuple[ImageIndex, Features, npt.NDArray[np.int64]]) -> Teacher:
    index, features, _ = material
    return train_teacher(index, features, TeacherConfig(head="mlp"), seed=0).teacher


def answers(teacher: Teacher, index: ImageIndex, features: Features) -> npt.NDArray[np.int64]:
    names = [str(name) for name in index.split("test").frame["image_id"]]
    found: npt.NDArray[np.int64] = teacher.probabilities(features.rows(names)).argmax(axis=1)
    return found


def test_it_is_an_eighth_of_the_teachers_head_and_says_the_same(
    material: tuple[ImageIndex, Features, npt.NDArray[np.int64]], teacher: Teacher
) -> None:
    index, features, labels = material
    student = distil_head(index, features, teacher, seed=0)
    assert student.head.parameters * 6 < teacher.head.parameters
    said, taught = (answers(one, index, features) for one in (student, teacher))
    assert (said == taught).mean() > 0.9
    assert (said == labels[-SPLITS["test"] :]).mean() > 0.85


def test_a_teacher_that_errs_is_believed(
    material: tuple[ImageIndex, Features, npt.NDArray[np.int64]], teacher: Teacher
) -> None:
    index, features, labels = material
    arrays = dict(teacher.head.arrays)
    for name in ("weight_1", "bias_1"):  # it calls class 0 class 1, and the other way round
        arrays[name] = 4 * arrays[name][[1, 0, 2]]
    wrong = Teacher(INFO, type(teacher.head)("mlp", arrays), teacher.classes)
    student = distil_head(index, features, wrong, seed=0)
    agree = (answers(student, index, features) == labels[-SPLITS["test"] :]).mean()
    right = (answers(teacher, index, features) == labels[-SPLITS["test"] :]).mean()
    assert agree < right - 0.2


def test_the_same_seed_gives_the_same_head(
    material: tuple[ImageIndex, Features, npt.NDArray[np.int64]], teacher: Teacher
) -> None:
    index, features, _ = material
    first, second, other = (
        distil_head(index, features, teacher, seed=seed).digest() for seed in (0, 0, 1)
    )
    assert first == second != other


def test_the_test_split_is_not_read(
    material: tuple[ImageIndex, Features, npt.NDArray[np.int64]], teacher: Teacher
) -> None:
    index, features, _ = material
    spoilt = features.matrix.copy()
    spoilt[-SPLITS["test"] :] = np.nan
    again = Features(features.image_ids, spoilt, INFO)
    assert (
        distil_head(index, again, teacher, seed=0).digest()
        == distil_head(index, features, teacher, seed=0).digest()
    )
