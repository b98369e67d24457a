"""Heat against marks, by hand; a packed map comes back."""

from __future__ import annotations

import numpy as np
import pytest

from inspection.evaluation.explanations import Overlap, overlap, packed, pointing, unpacked

HEAT = np.zeros((4, 4), np.float32)
HEAT[0, 0], HEAT[3, 3] = 1.0, 0.25


def area(*cells: tuple[int, int]) -> np.ndarray:
    found = np.zeros((4, 4), bool)
    for cell in cells:
        found[cell] = True
    return found


def test_overlap_by_hand() -> None:
    assert overlap(HEAT, area((0, 0), (0, 1))) == Overlap(0.8, 2 / 16, True)
    assert overlap(HEAT, area((3, 3))) == Overlap(0.2, 1 / 16, False)
    assert overlap(np.zeros((4, 4), np.float32), area((0, 0))) is None


def test_even_heat_gives_the_share_of_the_picture() -> None:
    found = overlap(np.ones((4, 4), np.float32), area((1, 1), (1, 2), (2, 2)))
    assert found is not None
    assert found.heat == pytest.approx(found.area)


def test_pointing_counts_hits_with_an_interval() -> None:
    found = pointing([Overlap(0.5, 0.1, True), Overlap(0.1, 0.3, False), Overlap(0.6, 0.2, True)])
    assert found is not None
    assert (found.hits.hits, found.hits.total) == (2, 3)
    assert found.hits.low < 2 / 3 < found.hits.high
    assert (found.heat, found.area) == (pytest.approx(0.4), pytest.approx(0.2))
    assert pointing([]) is None


def test_a_packed_map_comes_back_smooth_and_is_small() -> None:
    places = np.linspace(-1, 1, 128, dtype=np.float32)
    heat = np.exp(-(places[:, None] ** 2 + (places[None] - 0.3) ** 2) * 4).astype(np.float32)
    kept = packed(heat)
    assert len(kept) < 1500
    assert np.abs(unpacked(kept, 128, 128) - heat).max() < 0.03
    assert packed(heat) == kept


def test_what_is_no_picture_is_told() -> None:
    with pytest.raises(ValueError, match="no PNG"):
        unpacked("AAAA", 8, 8)
