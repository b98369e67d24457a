"""What is learned from images that nobody has labelled: nothing by the teacher, what it says of them by the student."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inspection.data.unlabelled import is_unlabelled
from inspection.errors import ConfigError, DataError
from inspection.features.extract import Features, extract_features
from inspection.store import Store
from inspection.training.labels import rows_of
from inspection.training.student import train_student
from inspection.training.teacher import TeacherResult, train_teacher
from pipelines.door import load_config
from tests.unit.learning_material import CLASSES, CONFIG
from tests.unit.unlabelled_material import MORE, TEACHER, Placed, fill, prepared


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("set") / "images")


@pytest.fixture(scope="module")
def done(root: Path) -> Placed:
    return prepared(root)


@pytest.fixture(scope="module")
def learnt(
    done: Placed, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Features, TeacherResult]:
    store = Store(tmp_path_factory.mktemp("store"))
    features = extract_features(done.index, TEACHER, store=store, seed=0, device="cpu")
    return features, train_teacher(done.index, features, TEACHER, seed=0)


def test_the_teacher_can_answer_for_them_and_learns_without_them(
    done: Placed, learnt: tuple[Features, TeacherResult]
) -> None:
    features, made = learnt
    ours = done.index.where(is_unlabelled(done.index.frame))
    assert np.isfinite(
        made.teacher.probabilities(features.rows(list(ours.frame["image_id"])))
    ).all()
    alone = train_teacher(
        done.index.where(~is_unlabelled(done.index.frame)), features, TEACHER, seed=0
    )
    assert alone.teacher.digest() == made.teacher.digest()


@pytest.mark.training
def test_the_student_learns_from_them_when_asked(
    done: Placed, learnt: tuple[Features, TeacherResult], tmp_path: Path
) -> None:
    features, made = learnt
    short = CONFIG.model_copy(update={"epochs": 2, "patience": 2})
    images = [len(rows_of(done.index, "train", CLASSES, unlabelled=ask)) for ask in (False, True)]
    assert images[1] == images[0] + MORE
    results = [
        train_student(
            done.index,
            features,
            made.teacher,
            short.model_copy(update={"unlabelled": ask}),
            seed=3,
            folder=tmp_path / str(ask),
            device="cpu",
        )
        for ask in (False, True)
    ]
    assert results[0].key != results[1].key


def test_a_student_that_wants_some_and_finds_none_says_what_to_do(
    done: Placed, learnt: tuple[Features, TeacherResult], tmp_path: Path
) -> None:
    features, made = learnt
    wants = CONFIG.model_copy(update={"unlabelled": True})
    ours = is_unlabelled(done.index.frame)
    cases = {
        "name their folder: data.unlabelled=FOLDER": done.index.where(~ours),
        f"all {MORE} of them share a group": done.index.with_columns(
            split=done.index.frame["split"].mask(ours, None)
        ),
    }
    for message, index in cases.items():
        with pytest.raises(DataError, match=message):
            train_student(
                index, features, made.teacher, wants, seed=3, folder=tmp_path, device="cpu"
            )


def test_the_door_refuses_what_cannot_go_together(root: Path, tmp_path: Path) -> None:
    config = tmp_path / "line.yaml"
    config.write_text(f"name: line\ndata: {{kind: folder, root: {root}}}\n")
    with pytest.raises(ConfigError, match=r"student\.unlabelled: no image is named as unlabelled"):
        load_config(config, ["student.unlabelled=true"], {})
    with pytest.raises(
        ConfigError, match=r"data\.unlabelled: patches are cut around what is drawn"
    ):
        load_config(config, ["data.unlabelled=more", "data.patches={size: 32}"], {})
