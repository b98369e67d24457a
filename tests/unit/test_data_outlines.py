"""A part's ring holds exactly its pixels, whoever rasterises it and whichever rule they fill by."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.data.drawn_objects import parts_of
from inspection.data.outlines import Ring, outlines_of
from inspection.data.shapes import Mask, Region


def winding(ring: Ring, height: int, width: int) -> np.ndarray:
    """How often the ring goes around each pixel centre: non-zero fill; odd is even-odd fill."""
    turns = np.zeros((height, width), int)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        assert x0 == x1 or y0 == y1, "an edge that no pixel has"
        if y0 != y1:
            turns[min(y0, y1) : max(y0, y1), x0:] += 1 if y1 > y0 else -1
    return turns


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    share = draw(st.sampled_from([0.2, 0.5, 0.7, 0.9]))
    return np.random.default_rng(draw(st.integers(0, 10**6))).random((height, width)) < share


@given(mask=masks())
def test_outlines__inside_is_the_part(mask: Mask) -> None:
    held = np.zeros(mask.shape, int)
    for outline in outlines_of(mask):
        turns = winding(outline.ring, *mask.shape)
        assert np.array_equal(turns != 0, turns % 2 != 0)
        held += turns != 0
    assert np.array_equal(held, mask.astype(int))


@given(mask=masks())
def test_parts__are_apart_and_all_of_it(mask: Mask) -> None:
    parts = parts_of(Region.of("dent", mask), *mask.shape)
    held = np.zeros(mask.shape, int)
    for part in parts:
        pixels = part.mask(*mask.shape)
        assert part == Region.of("dent", pixels)
        held += pixels
    assert np.array_equal(held, mask.astype(int))
    assert len(parts) == len(outlines_of(mask))


def test_outlines__few_corners_and_counted_holes() -> None:
    mask = np.zeros((20, 30), bool)
    mask[2:18, 3:27] = True
    assert len(outlines_of(mask)[0].ring) == 4
    mask[5:7, 5:7] = mask[5:9, 10:12] = mask[12, 20] = False
    (outline,) = outlines_of(mask)
    assert outline.holes == 3
    assert outlines_of(np.zeros((4, 4), bool)) == []


@pytest.mark.slow
def test_outlines__noise_of_many_holes_takes_seconds() -> None:
    mask = np.random.default_rng(0).random((300, 300)) < 0.6
    held = sum((winding(outline.ring, 300, 300) != 0).astype(int) for outline in outlines_of(mask))
    assert np.array_equal(held, mask.astype(int))
