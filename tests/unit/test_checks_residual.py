"""Re-captures are the same; a scratch is a difference, however the light and the position have changed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from data_checks.residual import PEAK, Comparison, compare
from tests.unit.checks_material import Pixels, surface

pytestmark = pytest.mark.thorough

MARGIN = 4


def recapture(pixels: Pixels, seed: int, *, sigma: float = 2.0, quality: int = 60) -> Pixels:
    """Shifted by a fraction of up to 2 px, gain within 15 %, noise, JPEG; the border is real, not made up."""
    rng = np.random.default_rng(seed)
    matrix = np.array([[1, 0, rng.uniform(-2, 2)], [0, 1, rng.uniform(-2, 2)]], np.float32)
    moved = cv2.warpAffine(pixels.astype(np.float32), matrix, pixels.shape[1::-1])
    lit = inner(moved) * rng.uniform(0.85, 1.15)
    noise = rng.normal(0, sigma, (*lit.shape[:2], 1))
    noisy = np.clip(np.round(lit + noise), 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def inner(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[MARGIN:-MARGIN, MARGIN:-MARGIN])


def scratched(pixels: Pixels, seed: int, *, width: int, length: int, contrast: float) -> Pixels:
    rng = np.random.default_rng(seed)
    marked = np.zeros(pixels.shape[:2], np.float32)
    x, y = rng.uniform(length, pixels.shape[0] - length, 2)
    angle = rng.uniform(0, np.pi)
    half = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = [(int(8 * (x + s * half[0])), int(8 * (y + s * half[1]))) for s in (-1, 1)]
    cv2.line(marked, ends[0], ends[1], 1.0, width, cv2.LINE_AA, shift=3)
    drawn = pixels + rng.choice([-1, 1]) * contrast * marked[..., None]
    return np.clip(drawn, 0, 255).astype(np.uint8)


def compared(first: Pixels, second: Pixels) -> Comparison:
    found = compare(first, second)
    assert found is not None
    return found


SURFACES = [
    surface(seed, size=220, fine=fine) for seed, fine in enumerate((1.0, 1.2, 2.0, 3.0) * 3)
]


def test_a_recapture_is_the_same() -> None:
    peaks = [compared(inner(s), recapture(s, seed)).peak for seed, s in enumerate(SURFACES)]
    assert max(peaks) <= PEAK


def test_a_scratch_is_a_difference_and_is_found_where_it_is() -> None:
    for seed, pixels in enumerate(SURFACES):
        marked = scratched(pixels, seed, width=3, length=30, contrast=30)
        found = compared(inner(pixels), recapture(marked, seed))
        assert found.peak > 2 * PEAK
        changed = np.argwhere(np.abs(marked.astype(int) - pixels)[..., 0] > 10)[:, ::-1] - MARGIN
        assert np.abs(changed - found.where).max(axis=1).min() <= 6


def test_the_faintest_scratch_that_is_promised_is_seen() -> None:
    missed = 0
    for seed, pixels in enumerate(SURFACES):
        promised = compared(inner(pixels), recapture(pixels, seed)).faintest
        marked = scratched(pixels, seed, width=2, length=20, contrast=1.25 * promised)
        missed += compared(inner(pixels), recapture(marked, seed)).peak <= PEAK
    # It is promised for nine tenths of the view.
    assert missed <= 2


def test_more_noise_promises_less() -> None:
    quiet, loud = (
        compared(inner(SURFACES[0]), recapture(SURFACES[0], 1, sigma=sigma)) for sigma in (1.0, 8.0)
    )
    assert loud.peak <= PEAK
    assert loud.faintest > 2 * quiet.faintest


def test_position_and_light_are_measured() -> None:
    pixels = surface(3, size=200)
    moved = np.ascontiguousarray(pixels[3:, 2:])
    darker = (moved[:190] * 0.8).astype(np.uint8)
    found = compared(np.ascontiguousarray(pixels[:190, :198]), darker)
    assert found.shift == pytest.approx((-2, -3), abs=0.1)
    assert found.gain == pytest.approx(0.8, abs=0.02)
    assert found.unseen == pytest.approx(3, abs=0.1)


def test_uneven_light_is_no_difference() -> None:
    pixels = surface(5, size=200)
    ramp = np.linspace(0.75, 1.15, 200)[None, :, None]
    lit = np.clip(np.round(pixels * ramp), 0, 255).astype(np.uint8)
    assert compared(pixels, lit).peak <= PEAK


def test_clipping_is_told_and_no_difference() -> None:
    pixels = np.clip(surface(6, size=200).astype(int) + 115, 0, 255).astype(np.uint8)
    darker = (pixels * 0.9).astype(np.uint8)
    found = compared(pixels, darker)
    assert (pixels == 255).mean() > 0.05
    assert found.peak <= PEAK
    assert found.clipped[0] > 0.05
    assert found.clipped[1] == 0


def test_noise_of_each_colour_is_no_difference() -> None:
    pixels = inner(SURFACES[1])
    noise = np.random.default_rng(1).normal(0, 3, pixels.shape)
    again = np.clip(np.round(pixels * 1.05 + noise), 0, 255).astype(np.uint8)
    assert compared(pixels, again).peak <= PEAK


def test_a_stain_of_colour_only_is_a_difference() -> None:
    pixels = surface(7, size=200)
    stained = pixels.astype(np.int16)
    stained[80:100, 80:100] += np.array([40, -20, -3], np.int16)  # of equal brightness
    stained = np.clip(stained, 0, 255)
    assert compared(pixels, np.asarray(stained, np.uint8)).peak > PEAK


def test_a_cut_border_is_told() -> None:
    pixels = surface(8, size=200)
    assert compared(pixels, np.ascontiguousarray(pixels[:, 10:])).unseen >= 9


def test_equal_images_do_not_differ_at_all() -> None:
    pixels = surface(9, size=200)
    found = compared(pixels, pixels)
    assert found.peak < 1
    assert found.clipped == (0.0, 0.0)
    assert found.unseen == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("shape", [(10, 300), (1, 1), (23, 23), (600, 12)])
def test_images_too_small_to_compare_are_not(shape: tuple[int, int]) -> None:
    small = np.zeros((*shape, 3), np.uint8)
    assert compare(small, small) is None


def test_blank_images_can_be_compared() -> None:
    blank = np.full((100, 100, 3), 90, np.uint8)
    assert compared(blank, blank).peak < 1
