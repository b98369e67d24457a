"""Teacher and student on the same test images: each with its own calibration, each row its own image's."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from deploy.edge.files import sha256_file
from deploy.edge.spec import Preprocessing
from inspection.data.index import ImageIndex
from inspection.errors import DataError, WeightsError
from inspection.evaluation.metrics import Evaluation, evaluate
from inspection.features.backbone import BackboneInfo
from inspection.features.extract import Features
from inspection.models.heads import Head, Teacher
from inspection.models.registry import build_student
from inspection.models.student_files import (
    CARD,
    WEIGHTS,
    StudentCard,
    load_deploy_graph,
    save_weights,
)
from inspection.training.assessment import Assessment, assess
from inspection.training.pixels import FromDisk

CLASSES = ("crack", "ok", "scratch")
SIZE = Preprocessing(32, 32)
INFO = BackboneInfo("x", "none", "0", "none", 4, 64, (0.5,) * 3, (0.5,) * 3, 1)
DIGEST = "t" * 64


def photographed(root: Path, count: int = 30) -> ImageIndex:
    """Noise of every tint; two of three are test images, and rows stand in no order of ids."""
    generator = np.random.default_rng(1)
    rows = []
    for i in range(count):
        tint = generator.integers(0, 200, 3)
        pixels = (tint + generator.integers(0, 56, (40, 36, 3))).astype(np.uint8)
        path = root / f"{i:02d}.png"
        cv2.imwrite(str(path), pixels)
        split = ("train", "test", "test")[i % 3]
        row = {"path": path.name, "label": CLASSES[i // 2 % 3], "image_id": sha256_file(path)}
        rows.append({**row, "split": split})
    return ImageIndex.from_rows(root, rows)


def written_student(folder: Path, **changes: object) -> Path:
    """A finished student as training leaves it, with weights of chance and a temperature of its own."""
    student = build_student("plumbnet_s", len(CLASSES), image_size=SIZE.height, seed=2)
    card = StudentCard(
        architecture="plumbnet_s",
        classes=CLASSES,
        preprocessing=SIZE,
        mean=student.mean,
        std=student.std,
        embedding_size=student.embedding_size,
        parameters=student.parameters_count,
        temperature=0.25,
        started_from="none",
        licence="none",
        weights_sha256=save_weights(folder, student),
    )
    dataclasses.replace(card, **changes).save(folder / CARD)
    return folder


def features_of(index: ImageIndex) -> Features:
    """Of every image, in another order than the index's rows."""
    image_ids = tuple(sorted(str(name) for name in index.frame["image_id"]))
    matrix = np.random.default_rng(7).normal(size=(len(image_ids), 4)).astype(np.float32)
    return Features(image_ids, matrix, INFO)


def made_teacher(temperature: float = 2.0) -> Teacher:
    generator = np.random.default_rng(3)
    arrays = {
        "mean": np.full(4, 0.1, np.float32),
        "scale": np.full(4, 2.0, np.float32),
        "weight_0": generator.normal(size=(3, 4)).astype(np.float32),
        "bias_0": np.array([0.1, 0.0, -0.1], np.float32),
    }
    return Teacher(INFO, Head("linear", arrays), CLASSES, temperature)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    return photographed(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_student(tmp_path_factory.mktemp("student"))


def assessed(index: ImageIndex, student: Path, teacher: Teacher | None = None) -> Assessment:
    teacher, features = teacher or made_teacher(), features_of(index)
    return assess(index, features, teacher, student, test_digest=DIGEST, device="cpu")


@pytest.fixture(scope="module")
def found(index: ImageIndex, student: Path) -> Assessment:
    return assessed(index, student)


def test_both_answer_for_exactly_the_test_images(index: ImageIndex, found: Assessment) -> None:
    test = index.split("test").frame
    assert 0 < len(test) < len(index)
    for evaluation in (found.teacher, found.student):
        assert evaluation.image_ids == tuple(test["image_id"])
        assert evaluation.labels == tuple(test["label"])
        assert evaluation.test_digest == DIGEST
        assert evaluation.classes == CLASSES
    assert (found.teacher.name, found.student.name) == ("teacher", "student")


def test_the_teacher_reads_each_images_own_features(index: ImageIndex, found: Assessment) -> None:
    features, arrays = features_of(index), made_teacher().head.arrays
    for image_id, said in zip(found.teacher.image_ids, found.teacher.probabilities, strict=True):
        vector = features.matrix[features.image_ids.index(image_id)]
        logits = arrays["weight_0"] @ ((vector - 0.1) * 2.0) + arrays["bias_0"]
        expected = torch.softmax(torch.from_numpy(logits) / 2.0, dim=0).numpy()
        np.testing.assert_allclose(said, expected, atol=1e-5)


def test_the_student_answers_as_the_graph_that_ships(
    index: ImageIndex, student: Path, found: Assessment
) -> None:
    graph, card = load_deploy_graph(student)
    assert card.temperature != 1.0
    test = index.split("test")
    pixels = FromDisk(test.paths, SIZE).take(torch.arange(len(test)))
    with torch.inference_mode():
        expected = graph(pixels)[0].numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3  # images differ, so a mixed-up row would show
    np.testing.assert_allclose(found.student.probabilities, expected, atol=1e-5)


def test_each_is_calibrated_by_its_own_temperature(
    index: ImageIndex, student: Path, found: Assessment, tmp_path: Path
) -> None:
    hot = assessed(index, student, made_teacher(temperature=20.0))
    assert hot.student == found.student
    assert hot.teacher.predictions == found.teacher.predictions
    assert np.max(hot.teacher.probabilities) < np.max(found.teacher.probabilities)
    tepid = assessed(index, written_student(tmp_path, temperature=5.0))
    assert tepid.teacher == found.teacher
    assert tepid.student.predictions == found.student.predictions
    assert np.max(tepid.student.probabilities) < np.max(found.student.probabilities)


def test_quarantined_images_are_not_scored(index: ImageIndex, student: Path) -> None:
    reasons = [None] * len(index)
    reasons[1] = "blurred"
    assert index.frame["split"][1] == "test"
    found = assessed(index.with_columns(quarantine=reasons), student)
    for evaluation in (found.teacher, found.student):
        assert evaluation.count == len(index.split("test")) - 1
        assert index.frame["image_id"][1] not in evaluation.image_ids


def test_it_survives_the_disk(found: Assessment, tmp_path: Path) -> None:
    found.save(tmp_path / "assessment.json")
    assert Assessment.load(tmp_path / "assessment.json") == found


def right(name: str, hits: int, total: int = 10) -> Evaluation:
    """An evaluation with `hits` of `total` images right."""
    labels = ["crack", "ok"] * (total // 2)
    called = [(i + (k >= hits)) % 2 for k, i in enumerate([0, 1] * (total // 2))]
    ids = [str(k) for k in range(total)]
    chances = 0.8 * np.eye(2)[called] + 0.1
    return evaluate(name, labels, chances, ("crack", "ok"), image_ids=ids, test_digest=DIGEST)


@pytest.mark.parametrize(
    ("student", "teacher", "kept"), [(6, 8, 0.75), (8, 8, 1.0), (9, 6, 1.5), (0, 8, 0.0), (0, 0, 0)]
)
def test_retention_is_the_students_share_of_the_teachers_accuracy(
    student: int, teacher: int, kept: float
) -> None:
    both = Assessment(teacher=right("teacher", teacher), student=right("student", student))
    assert both.retention == pytest.approx(kept)


def test_figures_are_the_teachers_and_leave_the_students_names_free() -> None:
    both = Assessment(teacher=right("teacher", 8), student=right("student", 6))
    teacher = {f"teacher_{name}": value for name, value in both.teacher.summary.items()}
    assert both.figures == {**teacher, "retention": both.retention}
    assert both.figures["teacher_accuracy"] == 0.8
    assert not both.figures.keys() & both.student.summary.keys()
    assert all(type(value) is float for value in both.figures.values())


def test_an_image_without_features_is_an_error(index: ImageIndex, student: Path) -> None:
    features = features_of(index)
    absent = features.image_ids.index(index.split("test").frame["image_id"][0])
    kept = [row for row in range(len(features.image_ids)) if row != absent]
    fewer = Features(tuple(features.image_ids[k] for k in kept), features.matrix[kept], INFO)
    with pytest.raises(KeyError, match=features.image_ids[absent]):
        assess(index, fewer, made_teacher(), student, test_digest=DIGEST, device="cpu")


def test_a_student_of_other_classes_is_refused(index: ImageIndex, tmp_path: Path) -> None:
    turned = written_student(tmp_path / "turned", classes=CLASSES[::-1])
    with pytest.raises(DataError, match="name other classes"):
        assessed(index, turned)
    with pytest.raises(WeightsError, match="no finished student"):
        assessed(index, tmp_path / "nothing")


def test_weights_that_are_not_the_cards_are_refused(index: ImageIndex, tmp_path: Path) -> None:
    student = written_student(tmp_path)
    weights = (student / WEIGHTS).read_bytes()
    (student / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(WeightsError, match="not what its card promises"):
        assessed(index, student)
