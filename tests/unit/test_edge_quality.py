"""Each measure of an image against what is known of it, and against the fault it is there for."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deploy.edge.quality import image_quality
from deploy.edge.statistics import image_statistics
from tests.unit.checks_material import surface

Pixels = npt.NDArray[np.uint8]


def grey(values: npt.NDArray[np.floating]) -> Pixels:
    return np.repeat(np.clip(np.rint(values), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def flat(level: float, size: int = 96) -> npt.NDArray[np.float64]:
    return np.full((size, size), level)


def test_shared_numbers__are_those_of_the_device() -> None:
    pixels = surface(3)
    quality, statistics = image_quality(pixels), image_statistics(pixels)

    assert (quality.brightness, quality.contrast, quality.sharpness) == (
        statistics.brightness,
        statistics.contrast,
        statistics.sharpness,
    )
    assert (quality.width, quality.height) == (96, 96)


@pytest.mark.parametrize("sigma", [2.0, 5.0, 15.0])
@pytest.mark.parametrize("size", [64, 256, 900])
def test_noise__is_the_standard_deviation_that_was_added(sigma: float, size: int) -> None:
    added = np.random.default_rng(1).normal(0, sigma, (size, size))

    assert image_quality(grey(128 + added)).noise == pytest.approx(sigma, rel=0.13)


def test_noise__does_not_see_a_few_scratches() -> None:
    image = grey(128 + np.random.default_rng(1).normal(0, 3, (200, 200)))
    scratched = image.copy()
    scratched[::20] = 255

    assert image_quality(scratched).noise == pytest.approx(image_quality(image).noise, rel=0.2)


@pytest.mark.parametrize("across", [0.0, 20.0, 100.0])
def test_gradient__is_the_difference_across_a_ramp(across: float) -> None:
    ramp = np.tile(np.linspace(100, 100 + across, 128), (128, 1))

    assert image_quality(grey(ramp)).gradient == pytest.approx(across * 31 / 32, abs=1.5)


def test_gradient__of_a_vignette_is_seen_and_texture_is_not() -> None:
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    texture = surface(1)[..., 0].astype(float)

    assert image_quality(surface(1)).gradient < 15
    assert image_quality(grey(texture - 40 * (x * x + y * y))).gradient > 60


def test_clipping__counts_lost_pixels_in_colour_too() -> None:
    pixels = grey(flat(100.0, 100))
    pixels[:10] = 0
    pixels[10:30, :, 0] = 255
    pixels[30:40, :, 1] = 0  # a pure colour loses nothing

    quality = image_quality(pixels)

    assert quality.clipped_dark == pytest.approx(0.10)
    assert quality.clipped_bright == pytest.approx(0.20)


def test_focus__falls_with_blur_and_not_with_light() -> None:
    sharp = surface(5)
    focus = image_quality(sharp).focus

    assert image_quality(cv2.GaussianBlur(sharp, (0, 0), 3).astype(np.uint8)).focus < focus / 4
    assert image_quality(grey(sharp[..., 0] * 0.6)).focus == pytest.approx(focus, rel=0.1)
    assert image_quality(grey(sharp[..., 0] + 50.0)).focus == pytest.approx(focus, rel=0.01)
    ramp = np.linspace(-40, 40, 96)[None]
    assert image_quality(grey(sharp[..., 0] + ramp)).focus == pytest.approx(focus, rel=0.15)


def test_information__of_known_pictures() -> None:
    halves = flat(10.0)
    halves[48:] = 200.0
    quality, blank = image_quality(grey(halves)), image_quality(grey(flat(77.0)))

    assert (quality.entropy, quality.dominant) == pytest.approx((1.0, 0.5))
    assert (blank.entropy, blank.dominant, blank.contrast) == (0.0, 1.0, 0.0)
    assert (blank.focus, blank.noise) == (0.0, 0.0)
    assert blank.gradient == pytest.approx(0.0, abs=1e-9)


def test_relative_contrast__falls_in_fog_only() -> None:
    clear = surface(2)[..., 0].astype(float)
    contrast = image_quality(grey(clear)).relative_contrast

    assert image_quality(grey(clear * 0.5)).relative_contrast == pytest.approx(contrast, rel=0.05)
    assert image_quality(grey(clear * 0.3 + 150)).relative_contrast < contrast / 3


@given(
    arrays.arrays(
        np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)), fill=st.just(0)
    )
)
def test_any_image__gives_finite_numbers_in_range(pixels: Pixels) -> None:
    quality = image_quality(pixels)

    assert all(np.isfinite(value) for value in vars(quality).values())
    assert 0 <= quality.brightness <= 255
    assert 0 <= quality.entropy <= 8 + 1e-6
    for share in (quality.clipped_dark, quality.clipped_bright, quality.dominant):
        assert 0 <= share <= 1
    assert min(quality.focus, quality.noise, quality.gradient, quality.sharpness) >= 0
