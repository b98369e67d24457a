"""The teacher's heads: right by an independent solver, chosen on images they have not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score

from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.features.backbone import BackboneInfo
from inspection.features.extract import Features
from inspection.learning_config import TeacherConfig
from inspection.models.heads import Head, Teacher
from inspection.training.heads import L2_STRENGTHS, SETTINGS, Examples, head_path
from inspection.training.labels import rows_of
from inspection.training.scores import Score, score
from inspection.training.teacher import train_teacher

pytestmark = pytest.mark.training

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

INFO = BackboneInfo("x", "none", "0", "none", 4, 64, (0.5,) * 3, (0.5,) * 3, 1)


def cloud(count: int = 90, size: int = 30, seed: int = 0) -> tuple[Floats, Integers]:
    """Three overlapping classes, the last one rare, in columns of very different scale."""
    generator = np.random.default_rng(seed)
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2] * (count // 9), dtype=np.int64)
    centres = generator.normal(size=(3, size))
    rows = centres[labels] + 2.0 * generator.normal(size=(count, size))
    return (rows * np.geomspace(0.1, 10, size)).astype(np.float32), labels


def indexed(matrix: Floats, labels: Integers, groups: list[str], splits: list[str]) -> ImageIndex:
    rows = [
        {
            "path": f"{i}.png",
            "image_id": f"{i:05d}",
            "label": f"class{labels[i]}",
            "group": groups[i],
            "split": splits[i],
        }
        for i in range(len(matrix))
    ]
    return ImageIndex.from_rows(Path("nowhere"), rows)


def features_of(matrix: Floats) -> Features:
    return Features(tuple(f"{i:05d}" for i in range(len(matrix))), matrix, INFO)


@pytest.mark.parametrize(("count", "size"), [(90, 30), (45, 200)])
def test_linear_heads_are_the_ones_scikit_learn_finds(count: int, size: int) -> None:
    matrix, labels = cloud(count, size)
    examples = Examples(matrix, labels, 3)
    mean, scale = examples.standardisation()
    rows = ((matrix - mean) * scale).astype(np.float64)
    heads = list(head_path("linear", examples, seed=0))
    for strength, head in zip(L2_STRENGTHS[:3], heads[:3], strict=True):
        # Ours averages the loss (weights sum to N), theirs sums it.
        theirs = LogisticRegression(
            C=1.0 / (strength * count), class_weight="balanced", max_iter=5000, tol=1e-10
        ).fit(rows, labels)
        expected = theirs.predict_log_proba(rows)
        logits = head.logits(matrix).astype(np.float64)
        ours = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        np.testing.assert_allclose(ours, expected, atol=5e-3)


def test_an_mlp_as_arrays_is_the_network_that_was_trained() -> None:
    matrix, labels = cloud()
    heads = list(head_path("mlp", Examples(matrix, labels, 3), seed=0))
    assert len(heads) == len(SETTINGS["mlp"])
    arrays = {name: torch.from_numpy(array) for name, array in heads[-1].arrays.items()}
    rows = (torch.from_numpy(matrix) - arrays["mean"]) * arrays["scale"]
    hidden = torch.relu(rows @ arrays["weight_0"].T + arrays["bias_0"])
    expected = hidden @ arrays["weight_1"].T + arrays["bias_1"]
    np.testing.assert_allclose(heads[-1].logits(matrix), expected.numpy(), atol=1e-4)
    accuracy = [(head.logits(matrix).argmax(1) == labels).mean() for head in (heads[0], heads[-1])]
    assert accuracy[1] > max(0.9, accuracy[0] - 1e-9)


@pytest.mark.slow
def test_heads_do_not_depend_on_the_global_random_state() -> None:
    matrix, labels = cloud()
    paths = []
    for _ in range(2):
        torch.rand(7)
        paths.append(
            [head.logits(matrix) for head in head_path("mlp", Examples(matrix, labels, 3), seed=1)]
        )
    assert all(np.array_equal(one, two) for one, two in zip(*paths, strict=True))


@pytest.mark.slow
def test_the_curved_problem_goes_to_the_mlp_and_the_straight_one_to_the_line() -> None:
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(400, 4)).astype(np.float32)
    splits = ["train"] * 300 + ["val"] * 100
    groups = [str(i) for i in range(400)]
    curved = (matrix[:, 0] * matrix[:, 1] > 0).astype(np.int64)
    straight = (matrix[:, 0] + matrix[:, 1] > 0).astype(np.int64)
    for labels, kind, floor in ((curved, "mlp", 0.85), (straight, "linear", 0.95)):
        index = indexed(matrix, labels, groups, splits)
        result = train_teacher(index, features_of(matrix), TeacherConfig(), seed=0)
        chosen = [head for head in result.heads if head.chosen]
        assert [head.head for head in chosen] == [kind]
        assert chosen[0].validation.accuracy > floor
        assert result.teacher.head.kind == kind


def test_only_the_asked_head_is_tried() -> None:
    matrix, labels = cloud()
    splits = (["train"] * 4 + ["val"]) * 18
    index = indexed(matrix, labels, [str(i) for i in range(90)], splits)
    result = train_teacher(index, features_of(matrix), TeacherConfig(head="linear"), seed=0)
    assert [head.head for head in result.heads] == ["linear"]


def test_held_out_images_are_of_other_groups() -> None:
    """Features that name the part and nothing else: perfect on parts seen, useless on others."""
    generator = np.random.default_rng(0)
    parts = np.repeat(np.arange(40), 6)
    labels = (np.arange(40) % 2)[parts].astype(np.int64)
    matrix = (generator.normal(size=(40, 60))[parts] * 5).astype(np.float32)
    splits = ["val" if part >= 30 else "train" for part in parts]
    index = indexed(matrix, labels, [f"part{part}" for part in parts], splits)
    config = TeacherConfig(head="linear")
    result = train_teacher(index, features_of(matrix), config, seed=0)
    train = rows_of(index, "train", index.classes)
    inside = score(result.teacher.logits(features_of(matrix).rows(train.image_ids)), train.labels)
    assert inside.accuracy == 1.0
    assert result.heads[0].held_out.accuracy < 0.75
    # The same set with every image its own group would fool us.
    fooled = indexed(matrix, labels, [str(i) for i in range(len(matrix))], splits)
    result = train_teacher(fooled, features_of(matrix), config, seed=0)
    assert result.heads[0].held_out.accuracy > 0.85


@pytest.mark.slow
def test_row_order_changes_nothing() -> None:
    matrix, labels = cloud()
    splits = (["train"] * 4 + ["val"]) * 18
    index = indexed(matrix, labels, [str(i) for i in range(90)], splits)
    shuffled = ImageIndex(
        index.root, index.frame.sample(frac=1.0, random_state=3).reset_index(drop=True)
    )
    digests = {
        train_teacher(each, features_of(matrix), TeacherConfig(), seed=0).teacher.digest()
        for each in (index, shuffled)
    }
    assert len(digests) == 1


def test_a_split_without_images_is_a_data_error() -> None:
    matrix, labels = cloud()
    index = indexed(matrix, labels, [str(i) for i in range(90)], ["train"] * 90)
    with pytest.raises(DataError, match="val split holds no images"):
        train_teacher(index, features_of(matrix), TeacherConfig(), seed=0)


def test_a_teacher_survives_the_disk_and_its_digest_sees_changes(tmp_path: Path) -> None:
    matrix, labels = cloud()
    head = list(head_path("linear", Examples(matrix, labels, 3), seed=0))[1]
    teacher = Teacher(INFO, head, ("a", "b", "c"), temperature=1.7)
    teacher.save(tmp_path)
    loaded = Teacher.load(tmp_path)
    assert np.array_equal(loaded.probabilities(matrix), teacher.probabilities(matrix))
    assert loaded.digest() == teacher.digest()
    changed = {**head.arrays, "bias_0": head.arrays["bias_0"] + 1e-3}
    assert Teacher(INFO, Head("linear", changed), ("a", "b", "c"), 1.7).digest() != teacher.digest()
    assert Teacher(INFO, head, ("a", "b", "c"), 1.8).digest() != teacher.digest()


def test_probabilities_are_the_softmax_of_tempered_logits() -> None:
    matrix, labels = cloud()
    head = next(head_path("linear", Examples(matrix, labels, 3), seed=0))
    teacher = Teacher(INFO, head, ("a", "b", "c"), temperature=0.5)
    expected = torch.softmax(torch.from_numpy(head.logits(matrix)) / 0.5, dim=1).numpy()
    np.testing.assert_allclose(teacher.probabilities(matrix), expected, atol=1e-6)
    huge = Teacher(INFO, head, ("a", "b", "c"), temperature=1e-4).probabilities(matrix)
    assert np.isfinite(huge).all()


def test_scores_are_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(200, 4)).astype(np.float32)
    labels = generator.integers(0, 4, 200)
    found = score(logits, labels)
    said = logits.argmax(1)
    assert found.accuracy == pytest.approx((said == labels).mean())
    assert found.macro_f1 == pytest.approx(f1_score(labels, said, average="macro"))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, said))


@pytest.mark.parametrize(
    ("ours", "theirs", "better"),
    [
        ((0.9, 0.5), None, True),
        ((0.9, 0.5), (0.8, 0.1), True),
        ((0.8, 0.1), (0.9, 0.5), False),
        ((0.9, 0.3), (0.9, 0.5), True),
        ((0.9, 0.5), (0.9, 0.5), False),
    ],
)
def test_macro_f1_first_then_surprise(
    ours: tuple[float, float], theirs: tuple[float, float] | None, better: bool
) -> None:
    def made(pair: tuple[float, float]) -> Score:
        return Score(
            accuracy=0.0, macro_f1=pair[0], balanced_accuracy=0.0, loss=pair[1], temperature=1.0
        )

    assert made(ours).beats(made(theirs) if theirs else None) is better
