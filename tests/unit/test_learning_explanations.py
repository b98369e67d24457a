"""Which images are explained, and that the figures follow from the maps; real students, real files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from deploy.edge.spec import Preprocessing
from inspection.data.index import ImageIndex
from inspection.evaluation.explanations import Explanations, unpacked
from inspection.models import student_files
from inspection.models.registry import build_student
from inspection.models.student_files import CARD, StudentCard, save_weights
from inspection.training.explanations import RIGHT, WRONG, choose, explain

pytestmark = pytest.mark.training

CLASSES = ("bright", "dark", "plain")
SIDE = 64


def saved_student(folder: Path, architecture: str) -> Path:
    """A student with random weights, as training would leave it."""
    folder.mkdir()
    student = build_student(architecture, len(CLASSES), image_size=SIDE, seed=4)
    card = StudentCard(
        architecture=architecture,
        classes=CLASSES,
        preprocessing=Preprocessing(SIDE, SIDE, "stretch"),
        mean=student.mean,
        std=student.std,
        embedding_size=student.embedding_size,
        parameters=student.parameters_count,
        temperature=1.0,
        started_from="none",
        licence="none",
        weights_sha256=save_weights(folder, student),
    )
    card.save(folder / CARD)
    return folder


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    root = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for i in range(45):
        label = CLASSES[i % 3]
        pixels = generator.normal(120, 12, (48, 80, 3))
        y, x = generator.integers(0, 30), generator.integers(0, 60)
        pixels[y : y + 16, x : x + 16] += {"bright": 90, "dark": -90, "plain": 0}[label]
        cv2.imwrite(str(root / f"{i}.png"), np.clip(pixels, 0, 255).astype(np.uint8))
        row: dict[str, Any] = {"image_id": f"{i:064d}", "path": f"{i}.png", "label": label}
        box = {"x0": x, "y0": y, "x1": x + 16, "y1": y + 16, "label": label}
        rows.append(
            {**row, "split": "test", "height": 48, "width": 80}
            | ({"boxes": [box]} if label != "plain" else {})
        )
    return ImageIndex.from_rows(root, rows)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_student(tmp_path_factory.mktemp("students") / "cnn", "plumbnet_s")


@pytest.fixture(scope="module")
def found(student: Path, index: ImageIndex) -> Explanations:
    return explain(student, index, seed=3, device="cpu")


def test_wrong_ones_come_first_the_surest_first(found: Explanations) -> None:
    right = [one.right for one in found.shown]
    assert right == sorted(right)
    sure = [one.confidence for one in found.shown if not one.right]
    assert sure == sorted(sure, reverse=True)
    assert len(sure) == WRONG
    assert all(bool(one.heat_true) != one.right for one in found.shown)


def test_pointing_covers_every_marked_image_not_only_those_shown(found: Explanations) -> None:
    totals = [seen.hits.total for seen in (found.right, found.wrong) if seen is not None]
    assert sum(totals) == 30
    assert found.test_images == 45
    assert all((one.overlap is None) == (one.label == "plain") for one in found.shown)
    assert (found.method, found.cells) == ("grad_cam", (4, 4))


def test_the_share_inside_is_that_of_the_map(found: Explanations, index: ImageIndex) -> None:
    """From the kept map, which is coarser."""
    boxes = dict(zip(index.frame["path"], index.frame["boxes"], strict=True))
    for one in (one for one in found.shown if one.overlap is not None):
        assert one.overlap is not None
        heat, box = unpacked(one.heat, 48, 80), boxes[one.path][0]
        inside = heat[int(box["y0"]) : int(box["y1"]), int(box["x0"]) : int(box["x1"])].sum()
        assert inside / heat.sum() == pytest.approx(one.overlap.heat, abs=0.06)


def test_equal_seeds_give_equal_records_that_travel_as_json(
    found: Explanations, student: Path, index: ImageIndex
) -> None:
    assert explain(student, index, seed=3, device="cpu") == found
    assert Explanations.from_json(found.to_json()) == found
    assert len(found.to_json()) < 60_000


def test_a_transformer_says_that_its_heat_has_no_class(tmp_path: Path, index: ImageIndex) -> None:
    folder = saved_student(tmp_path / "vit", "timm:test_vit")
    found = explain(folder, index, seed=3, device="cpu")
    assert found.method == "attention"
    assert not any(one.heat_true for one in found.shown)


class _Flat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * SIDE * SIDE, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.layer(images.flatten(1)))


def test_a_network_without_maps_costs_the_chapter_not_the_run(
    tmp_path: Path, index: ImageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved_student(tmp_path / "flat", "plumbnet_s")
    card = StudentCard.load(folder / CARD)
    flat = student_files.Student(_Flat(), 4, len(CLASSES), card.mean, card.std)
    flat.eval()
    for room in ("inspection.training.explanations", "inspection.training.student"):
        monkeypatch.setattr(f"{room}.load_student", lambda _: (flat, card))
    found = explain(folder, index, seed=3, device="cpu")
    assert (found.method, found.shown) == ("none", ())
    assert "no feature maps" in found.reason


def test_every_class_has_its_turn() -> None:
    generator = np.random.default_rng(1)
    true = np.array([0] * 900 + [1] * 60 + [2] * 40)
    called = np.where(generator.random(1000) < 0.3, (true + 1) % 3, true)
    confidence = np.where(true == 0, 0.99, 0.6) + generator.random(1000) / 100
    shown = choose(true, called, confidence, seed=0)
    wrong = [i for i in shown if true[i] != called[i]]
    right = [i for i in shown if true[i] == called[i]]
    assert (len(wrong), len(right)) == (WRONG, RIGHT)
    assert Counter(true[wrong].tolist()) == {0: 4, 1: 4, 2: 4}
    assert min(Counter(true[right].tolist()).values()) >= RIGHT // 3
    surest = max(np.flatnonzero((true == 0) & (called != 0)), key=lambda i: confidence[i])
    assert wrong[0] == surest
    assert choose(true, called, confidence, seed=0) == shown
    assert set(choose(true, called, confidence, seed=1)) - set(shown)


def test_no_mistakes_leave_only_right_ones() -> None:
    true = np.array([0, 1, 0, 1])
    assert sorted(choose(true, true, np.full(4, 0.9), seed=0)) == [0, 1, 2, 3]
