"""Marks of every kind become the same pixels, and follow the image through preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deploy.edge.spec import Preprocessing
from inspection.data.marked_area import as_seen, marked_area
from inspection.data.shapes import Region

SHAPE = (40, 60)
AREA = np.zeros(SHAPE, bool)
AREA[10:20, 30:50] = True
BOX = {"x0": 30.0, "y0": 10.0, "x1": 50.0, "y1": 20.0}


def found(root: Path, **row: Any) -> Any:
    return marked_area(root, row, SHAPE, threshold=128)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "mask.png"), AREA.astype(np.uint8) * 255)
    cv2.imwrite(str(tmp_path / "empty.png"), np.zeros(SHAPE, np.uint8))
    cv2.imwrite(str(tmp_path / "small.png"), np.full((5, 5), 255, np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no image")
    return tmp_path


@pytest.mark.parametrize(
    "row",
    [
        {"mask_path": "mask.png"},
        {"regions": [{"label": "a", "counts": list(Region.of("a", AREA).counts)}]},
        {"boxes": [BOX]},
        {"boxes": [BOX], "mask_path": "empty.png"},
        {"boxes": [BOX], "mask_path": None, "regions": []},
    ],
)
def test_every_kind_of_mark_gives_the_same_pixels(root: Path, row: dict[str, Any]) -> None:
    assert np.array_equal(found(root, **row), AREA)


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"mask_path": "empty.png"},
        {"mask_path": "small.png"},
        {"mask_path": "broken.png"},
        {"mask_path": "../mask.png"},
        {"regions": [{"label": "a", "counts": [3, 2]}]},
    ],
)
def test_what_does_not_fit_marks_nothing(root: Path, row: dict[str, Any]) -> None:
    (root / "inner").mkdir(exist_ok=True)
    assert found(root / "inner" if "../mask.png" in row.values() else root, **row) is None


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
def test_the_area_goes_where_its_pixels_go(resize: Any) -> None:
    from deploy.edge.preprocess import preprocess

    spec = Preprocessing(24, 24, resize)
    picture = np.where(AREA[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    bright = preprocess(picture, spec)[..., 0]
    seen = as_seen(AREA, spec)
    assert seen[bright > 200].all()
    assert not seen[bright == 0].any()
    assert 0 < seen.sum() < 120


def test_a_thin_mark_survives_shrinking_and_bars_are_no_mark() -> None:
    thin = np.zeros((64, 128), bool)
    thin[31, 10:100] = True
    seen = as_seen(thin, Preprocessing(16, 16, "pad"))
    assert seen.any()
    assert not seen[:4].any()
    assert not seen[-4:].any()
