"""Preprocessing and statistics against small truths worked out by hand, and properties over any shape."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from deploy.edge.errors import BundleError, ImageError
from deploy.edge.preprocess import PAD_VALUE, preprocess
from deploy.edge.spec import Preprocessing
from deploy.edge.statistics import image_statistics

MODES = ("stretch", "pad", "crop")
SHAPES = st.tuples(st.integers(1, 90), st.integers(1, 90), st.just(3))
IMAGES = SHAPES.flatmap(lambda shape: hnp.arrays(np.uint8, shape))
SPECS = st.builds(Preprocessing, st.integers(8, 70), st.integers(8, 70), st.sampled_from(MODES))


def ramp(height: int, width: int) -> npt.NDArray[np.uint8]:
    row = np.linspace(0, 255, width).round().astype(np.uint8)
    return np.repeat(np.tile(row, (height, 1))[..., None], 3, axis=2)


@given(pixels=IMAGES, spec=SPECS)
def test_preprocess__gives_the_models_shape_from_any(
    pixels: npt.NDArray[np.uint8], spec: Preprocessing
) -> None:
    before = pixels.copy()
    result = preprocess(pixels, spec)
    assert result.shape == (spec.height, spec.width, 3)
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    assert np.array_equal(pixels, before)
    values = np.append(pixels.ravel(), PAD_VALUE) if spec.resize == "pad" else pixels
    assert values.min() <= result.min() <= result.max() <= values.max()


@given(colour=st.tuples(*[st.integers(0, 255)] * 3), shape=SHAPES, spec=SPECS)
def test_preprocess__keeps_a_plain_colour(
    colour: tuple[int, int, int], shape: tuple[int, int, int], spec: Preprocessing
) -> None:
    result = preprocess(np.full(shape, colour, np.uint8), spec)
    picture = np.array([colour, (PAD_VALUE,) * 3]) if spec.resize == "pad" else np.array([colour])
    assert {tuple(pixel) for pixel in result.reshape(-1, 3)} <= {tuple(row) for row in picture}
    assert (result == np.array(colour)).all(axis=2).any()


@pytest.mark.parametrize("resize", MODES)
def test_right_size__passes_unchanged(resize: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    assert np.array_equal(preprocess(pixels, Preprocessing(16, 24, resize)), pixels)


def test_shrinking__averages_so_that_a_thin_scratch_stays() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 29] = 255  # one column of eight: sampling every eighth could miss it
    result = preprocess(pixels, Preprocessing(8, 8))
    assert (result[:, 3] == 32).all()  # 255 / 8, rounded
    assert result.sum() == 8 * 3 * 32


def test_shrinking__equals_the_block_mean() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    means = pixels.reshape(8, 4, 12, 4, 3).mean(axis=(1, 3))
    assert np.abs(preprocess(pixels, Preprocessing(8, 12)) - means).max() <= 0.51


def test_growing__interpolates_as_pillow_does() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (10, 12, 3), dtype=np.uint8)
    other = Image.fromarray(pixels).resize((24, 20), Image.Resampling.BILINEAR)
    gap = np.abs(preprocess(pixels, Preprocessing(20, 24)).astype(int) - np.asarray(other))
    assert gap.max() <= 1


def test_each_axis__goes_by_its_own_rule() -> None:
    pixels = ramp(8, 64)
    result = preprocess(pixels, Preprocessing(32, 8))  # taller and narrower
    blocks = pixels[0, :, 0].reshape(8, 8).mean(axis=1)
    assert np.abs(result[..., 0] - blocks).max() <= 0.51


def test_pad__keeps_the_aspect_between_grey_bars() -> None:
    result = preprocess(np.full((10, 40, 3), 200, np.uint8), Preprocessing(20, 20, "pad"))
    assert (result[7:12] == 200).all()
    assert (result[:7] == PAD_VALUE).all()
    assert (result[12:] == PAD_VALUE).all()


def test_crop__takes_the_middle() -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255
    assert (preprocess(pixels, Preprocessing(10, 10, "crop")) == 255).all()


@pytest.mark.parametrize("resize", MODES)
def test_extreme_shape__costs_no_memory(resize: str) -> None:
    result = preprocess(np.zeros((1, 60000, 3), np.uint8), Preprocessing(224, 224, resize))
    assert result.shape == (224, 224, 3)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_arrays__are_refused(pixels: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError, match=r"uint8 \(H, W, 3\)"):
        preprocess(pixels, Preprocessing(8, 8))


@pytest.mark.parametrize(
    ("sides", "resize"), [((7, 8), "pad"), ((8, 5000), "pad"), ((8.0, 8), "pad"), ((8, 8), "fit")]
)
def test_impossible_specs__are_refused(sides: tuple[int, int], resize: str) -> None:
    with pytest.raises(BundleError):
        Preprocessing(*sides, resize)


def test_statistics__of_a_plain_image() -> None:
    found = image_statistics(np.full((9, 9, 3), 100, np.uint8))
    assert (found.brightness, found.contrast, found.sharpness) == (100.0, 0.0, 0.0)


def test_statistics__equal_numpys() -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    pixels[...] = pixels[..., :1]  # grey, so that the weights of the colours do not matter
    grey = pixels[..., 0].astype(float)
    padded = np.pad(grey, 1, mode="reflect")
    sides = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    found = image_statistics(pixels)
    assert found.brightness == pytest.approx(grey.mean())
    assert found.contrast == pytest.approx(grey.std())
    assert found.sharpness == pytest.approx((sides - 4 * grey).var())


def test_statistics__see_a_dark_and_a_blurred_camera() -> None:
    sharp = np.random.default_rng(6).integers(60, 200, (50, 50, 3), dtype=np.uint8)
    blurred = np.asarray(Image.fromarray(sharp).resize((10, 10)).resize((50, 50)))
    assert image_statistics(sharp // 2).brightness < 0.6 * image_statistics(sharp).brightness
    assert image_statistics(blurred).sharpness < 0.1 * image_statistics(sharp).sharpness


@given(pixels=IMAGES)
def test_statistics__stay_in_their_ranges(pixels: npt.NDArray[np.uint8]) -> None:
    found = image_statistics(pixels)
    assert 0 <= found.brightness <= 255
    assert 0 <= found.contrast <= 127.5 + 1e-6
    assert 0 <= found.sharpness <= 1020**2
