"""The chapter shows pictures beside their heat, counts honestly, and says why when there is nothing to show."""

from __future__ import annotations

import base64
import dataclasses
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from deploy.edge.spec import Preprocessing
from inspection.config import ReportConfig
from inspection.evaluation.explanations import Explanations
from inspection.evaluation.neighbour_map import neighbour_map
from inspection.reporting.chapters.features import features
from inspection.reporting.chapters.looked_at import looked_at, warmed
from inspection.reporting.run_report import RunReport
from inspection.reporting.thumbnails import Pictures
from tests.unit.reporting_audit import audit
from tests.unit.small_report_material import small_run


@pytest.fixture
def run(tmp_path: Path) -> RunReport:
    return small_run(tmp_path)


def drawn(run: RunReport) -> str:
    section = looked_at(run, Pictures(run.index))
    assert section is not None
    return section.render()


def test_a_wrong_answer_stands_beside_the_heat_of_both_classes(run: RunReport) -> None:
    assert run.explanations is not None
    shown = run.explanations.shown
    document = drawn(run)
    found = audit(document)
    assert found.tags["img"] == sum(3 if one.heat_true else 2 for one in shown) > 6
    assert found.tags["polygon"] > 0  # what people marked
    one = shown[0]
    for words in (f"speaks for {one.called}", f"speaks for {one.label}", "8 × 8 cells"):
        assert words in found.text
    assert len(set(found.values("alt"))) == found.tags["img"]


def test_pointing_is_a_count_with_its_interval_and_what_chance_gives(run: RunReport) -> None:
    text = audit(drawn(run)).text
    assert "2 (67 %)" in text
    assert "21 % – 94 %" in text
    assert "40 %" in text
    assert "10 %" in text
    assert "3 test images with a mask or boxes" in text


def test_without_marks_there_is_no_table(run: RunReport) -> None:
    assert run.explanations is not None
    bare = dataclasses.replace(run.explanations, right=None)
    assert "<table" not in drawn(dataclasses.replace(run, explanations=bare))


def test_attention_claims_no_class(run: RunReport) -> None:
    assert run.explanations is not None
    listened = dataclasses.replace(run.explanations, method="attention")
    text = audit(drawn(dataclasses.replace(run, explanations=listened))).text
    assert "speaks for" not in text
    assert "not for which class" in text


def test_a_picture_that_is_gone_leaves_its_place(run: RunReport) -> None:
    assert run.explanations is not None
    (run.index.root / run.explanations.shown[0].path).unlink()
    assert "void" in drawn(run)


def test_nothing_to_show_says_why(run: RunReport) -> None:
    none = Explanations("none", (0, 0), Preprocessing(32, 32), reason="no feature maps")
    assert "Nothing to show: no feature maps" in drawn(dataclasses.replace(run, explanations=none))
    assert looked_at(dataclasses.replace(run, explanations=None), Pictures(run.index)) is None


def test_the_outline_lies_where_the_box_is_after_resizing(run: RunReport) -> None:
    """60 x 40 stretched to 96 x 96: the box (10, 10)-(30, 20) becomes (16, 24)-(48, 48)."""
    points = re.findall(r'<polygon points="([^"]+)"', drawn(run))
    numbers = np.array([[float(v) for v in p.split(",")] for p in points[0].split()])
    assert numbers.min(axis=0) == pytest.approx([16.5, 24.5], abs=1)
    assert numbers.max(axis=0) == pytest.approx([47.5, 47.5], abs=1)


def test_warm_pixels_change_and_cold_ones_stay() -> None:
    pixels = np.full((8, 8, 3), 120, np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[2, 3] = 1.0
    made = warmed(pixels, heat)
    changed = np.argwhere((made != pixels).any(axis=2))
    assert changed.tolist() == [[2, 3]]
    red, green, blue = (int(value) for value in made[2, 3])
    assert red > max(green, blue)


def test_the_page_stays_small(run: RunReport) -> None:
    sizes = [len(base64.b64decode(uri)) for uri in re.findall(r"base64,([^\"]+)", drawn(run))]
    assert max(sizes) < 12_000


@pytest.mark.slow
def test_umap_is_drawn_when_asked_for_and_only_then(run: RunReport) -> None:
    def charts(on: bool) -> list[str]:
        config = run.config.model_copy(update={"report": ReportConfig(umap=on)})
        section = features(dataclasses.replace(run, config=config))
        assert section is not None
        return re.findall(r'class="chart" role="img" aria-label="([^"]+)"', section.render())

    assert ["UMAP" in words for words in charts(False)] == [False]
    assert ["UMAP" in words for words in charts(True)] == [False, True]


@pytest.mark.slow
def test_umap_keeps_neighbours_together_and_repeats_itself(
    capfd: pytest.CaptureFixture[str],
) -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    matrix = generator.normal(size=(60, 12)) + 8 * np.eye(12)[labels]
    points = neighbour_map(matrix, seed=5)
    assert points is not None
    assert points.shape == (60, 2)
    away = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(away, np.inf)
    assert (labels[away.argmin(axis=1)] == labels).mean() > 0.95
    again = neighbour_map(matrix, seed=5)
    assert again is not None
    assert np.array_equal(points, again)
    few = neighbour_map(matrix[:10], seed=5)
    assert few is not None
    assert few.shape == (10, 2)
    assert capfd.readouterr() == ("", "")


def test_too_few_points_have_no_map() -> None:
    assert neighbour_map(np.zeros((5, 3)), seed=0) is None


def test_jpeg_of_a_drawn_picture_is_the_picture(run: RunReport) -> None:
    pixels = np.zeros((60, 60, 3), np.uint8)
    pixels[:, 30:, 0] = 200
    uri = Pictures(run.index).drawn(pixels).uri.partition("base64,")[2]
    back = cv2.imdecode(np.frombuffer(base64.b64decode(uri), np.uint8), cv2.IMREAD_COLOR)
    assert back is not None
    assert np.abs(back[..., ::-1].astype(int) - pixels).mean() < 5
