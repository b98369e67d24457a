"""Shapes become the right pixels: columns first, both run-length conventions, and nothing outside the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from inspection.config import ChecksConfig, DataConfig
from inspection.data.inspect_item import describe
from inspection.data.readers.base import Box, RawItem
from inspection.data.readers.severstal import parse_runs
from inspection.data.shapes import Mask, Outline, Points, Region, Runs, ShapeError, boxes_of
from tests.reader_layouts import SIZE, picture, save

MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))

# ..#        pixels by number, from 1:  1 3 5
# #.#                                   2 4 6
SMALL = np.array([[0, 0, 1], [1, 0, 1]], bool)


def square(x0: float, y0: float, x1: float, y1: float) -> Points:
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


@given(MASKS)
def test_region__mask_round_trip(mask: Mask) -> None:
    region = Region.of("a", mask)
    assert np.array_equal(region.mask(*mask.shape), mask)
    assert region.area == mask.sum()
    assert sum(region.counts) == mask.size
    assert all(region.counts[1:]), "only the first run may be empty"


@pytest.mark.parametrize(
    ("mask", "counts"),
    [
        (SMALL, (1, 1, 2, 2)),
        (SMALL.T, (2, 2, 1, 1)),
        (np.ones((2, 2), bool), (0, 4)),
        (np.zeros((2, 3), bool), (6,)),
        (np.array([[1, 0]], bool), (0, 1, 1)),
    ],
)
def test_region__counts_run_down_the_columns(mask: Mask, counts: tuple[int, ...]) -> None:
    assert Region.of("a", mask).counts == counts


def test_region__mask_of_another_size() -> None:
    with pytest.raises(ValueError, match="6 pixels for 2 x 2"):
        Region("a", (1, 5)).mask(2, 2)


@pytest.mark.parametrize(
    ("runs", "mask"),
    [
        (parse_runs("a", "2 1 5 2"), SMALL),
        (parse_runs("a", "5 2 2 1"), SMALL),
        (parse_runs("a", "1 6"), np.ones((2, 3), bool)),
        (Runs("a", (1, 4), (1, 2)), SMALL),
        (Runs.of_counts("a", [1, 1, 2, 2]), SMALL),
        (Runs.of_counts("a", [0, 1, 5]), np.array([[1, 0, 0], [0, 0, 0]], bool)),
        (Runs.of_counts("a", [1, 0, 0, 1, 2, 2]), SMALL),
    ],
)
def test_runs__both_conventions_by_hand(runs: Runs, mask: Mask) -> None:
    assert np.array_equal(runs.region(*mask.shape).mask(*mask.shape), mask)


@given(MASKS)
def test_runs__counts_of_a_region_give_it_back(mask: Mask) -> None:
    region = Region.of("a", mask)
    runs = Runs.of_counts("a", region.counts)
    if mask.any():
        assert runs.region(*mask.shape) == region
    else:
        with pytest.raises(ShapeError, match="a holds no pixel"):
            runs.region(*mask.shape)


@pytest.mark.parametrize(
    ("runs", "code"),
    [
        (Runs("a", (-1,), (2,)), "runs_out_of_bounds"),
        (Runs("a", (0,), (0,)), "runs_out_of_bounds"),
        (Runs("a", (0,), (-3,)), "runs_out_of_bounds"),
        (Runs("a", (5,), (2,)), "runs_out_of_bounds"),
        (Runs("a", (10**18,), (1,)), "runs_out_of_bounds"),
        (Runs("a", (), ()), "shape_degenerate"),
        (Runs.of_counts("a", [1, 2]), "runs_size"),
        (Runs.of_counts("a", [1, 2, 4]), "runs_size"),
        (Runs.of_counts("a", [2**62, 2**62]), "runs_size"),
        (Runs.of_counts("a", []), "runs_size"),
        (Runs.of_counts("a", [6]), "shape_degenerate"),
    ],
)
def test_runs__that_no_image_of_2_x_3_can_hold(runs: Runs, code: str) -> None:
    with pytest.raises(ShapeError) as caught:
        runs.region(2, 3)
    assert caught.value.code == code


def test_runs__negative_counts() -> None:
    with pytest.raises(ShapeError, match="negative") as caught:
        Runs.of_counts("a", [3, -1, 4])
    assert caught.value.code == "runs_negative"


@pytest.mark.parametrize(
    ("ring", "area"),
    [
        (square(0, 0, 4, 4), 16),
        (square(2, 2, 6, 6), 16),
        (square(0, 0, 10, 10), 100),
        (square(2.4, 2.4, 6.4, 6.4), 16),
        (square(-1, -1, 11, 11), 100),
        (square(2.6, 3.2, 3.4, 8.8), 12),  # between the centres: the pixels its line touches
        (((5, 5), (5, 5), (5, 5)), 1),
        (((0, 0), (10, 0), (0, 10)), 45),
    ],
)
def test_outline__holds_the_pixels_whose_centres_it_encloses(ring: Points, area: int) -> None:
    assert Outline("a", (ring,)).region(10, 10).area == area


@given(st.integers(0, 8), st.integers(0, 8), st.integers(1, 4), st.integers(1, 4))
def test_outline__a_rectangle_is_its_box(x: int, y: int, w: int, h: int) -> None:
    mask = Outline("a", (square(x, y, x + w, y + h),)).region(12, 12).mask(12, 12)
    assert boxes_of(mask) == [(x, y, x + w, y + h)]
    assert mask.sum() == w * h


def test_outline__rings_are_joined() -> None:
    two = Outline("a", (square(0, 0, 2, 2), square(5, 5, 7, 8)))
    assert boxes_of(two.region(9, 9).mask(9, 9)) == [(0, 0, 2, 2), (5, 5, 7, 8)]


@pytest.mark.parametrize(
    ("ring", "code"),
    [
        (square(0, 0, 11.1, 4), "shape_out_of_bounds"),
        (square(-1.1, 0, 4, 4), "shape_out_of_bounds"),
        (square(0, 0, 4, 12), "shape_out_of_bounds"),
        (square(0, 0, float("nan"), 4), "shape_degenerate"),
        (square(0, 0, float("inf"), 4), "shape_degenerate"),
        (((1, 1), (2, 2)), "shape_degenerate"),
        ((), "shape_degenerate"),
    ],
)
def test_outline__that_no_image_of_10_x_10_can_hold(ring: Points, code: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Outline("a", (ring,)).region(10, 10)
    assert caught.value.code == code


@pytest.mark.fuzz
@given(st.lists(st.tuples(st.floats(-2, 14), st.floats(-2, 12)), max_size=8))
def test_outline__any_ring_gives_pixels_or_a_reason(points: list[tuple[float, float]]) -> None:
    outline = Outline("a", (tuple(points),))
    if len(points) < 3 or not all(-1 <= x <= 13 and -1 <= y <= 11 for x, y in points):
        with pytest.raises(ShapeError, match=r"three points|leaves the 12 x 10 image"):
            outline.region(10, 12)
        return
    region = outline.region(10, 12)
    ys, xs = np.nonzero(region.mask(10, 12))
    across, down = zip(*points, strict=True)
    # Points beyond the edge by BEYOND are moved onto it.
    assert min(across) - 2 <= xs.min() <= xs.max() <= max(across) + 1
    assert min(down) - 2 <= ys.min() <= ys.max() <= max(down) + 1


def test_boxes_of__parts_touch_at_corners_and_small_ones_can_be_left_out() -> None:
    mask = np.zeros((8, 9), bool)
    mask[0, 0] = mask[1, 1] = True
    mask[4:7, 5:9] = True
    assert boxes_of(mask) == [(0, 0, 2, 2), (5, 4, 9, 7)]
    assert boxes_of(mask, min_area=3) == [(5, 4, 9, 7)]
    assert boxes_of(mask, min_side=4) == []
    assert boxes_of(np.zeros((3, 3), bool)) == []


def facts_of(tmp_path: Path, **more: Any) -> dict[str, Any]:
    save(tmp_path / "a.png", picture(1))
    item = RawItem(path="a.png", **more)
    facts, _ = describe(item, tmp_path, DataConfig(kind="folder", root=tmp_path), ChecksConfig())
    return facts


def test_describe__shares_become_pixels(tmp_path: Path) -> None:
    width, height = SIZE
    facts = facts_of(
        tmp_path,
        relative=True,
        boxes=(Box(0.25, 0.5, 1, 1, "a"),),
        shapes=(Outline("a", (square(0, 0, 0.5, 0.25),)), Runs("b", (0,), (3,))),
    )
    assert facts["boxes"] == [
        {"x0": width / 4, "y0": height / 2, "x1": width, "y1": height, "label": "a"}
    ]
    outline, runs = (Region(**region) for region in facts["regions"])
    assert boxes_of(outline.mask(height, width)) == [(0, 0, width // 2, height // 4)]
    assert runs == Region("b", (0, 3, width * height - 3))
    assert "quarantine" not in facts


def test_describe__pixels_stay_pixels(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, boxes=(Box(0, 0, 1, 1, "a"),))
    assert facts["boxes"][0]["x1"] == 1


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        (Runs("a", (39 * 32,), (33,)), "runs_out_of_bounds"),
        (Outline("a", (square(0, 0, 50, 4),)), "shape_out_of_bounds"),
        (Outline("a", (((1, 1), (2, 2)),)), "shape_degenerate"),
    ],
)
def test_describe__a_shape_that_cannot_be_the_images(
    shape: Runs | Outline, code: str, tmp_path: Path
) -> None:
    facts = facts_of(tmp_path, shapes=(shape,))
    assert facts["quarantine"] == code
    assert facts["regions"] == []
    assert facts["detail"].startswith("a")
