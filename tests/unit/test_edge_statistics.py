"""What the device logs of an image: each number moves for its own fault and stays for the others."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from deploy.edge.statistics import FIRST, STATISTICS, ImageStatistics, image_statistics
from tests.unit.checks_material import surface

Pixels = npt.NDArray[np.uint8]
SHARP = surface(3, size=128)


def test_values__are_in_the_order_of_the_names() -> None:
    found = image_statistics(SHARP)

    assert found.values() == tuple(getattr(found, name) for name in STATISTICS)
    assert STATISTICS[:FIRST] == ("brightness", "contrast", "sharpness")


def test_texture__equals_numpys() -> None:
    grey = SHARP[..., 0].astype(float)
    across = ((grey[:-1, 1:] - grey[:-1, :-1]) ** 2).sum()
    down = ((grey[1:, :-1] - grey[:-1, :-1]) ** 2).sum()
    found = image_statistics(SHARP)

    assert found.detail == pytest.approx((across + down) / grey[1:, 1:].size)
    assert found.grain == pytest.approx((across - down) / (across + down))


def test_turned_picture__turns_grain_and_tilt() -> None:
    found, turned = image_statistics(SHARP), image_statistics(np.rot90(SHARP).copy())
    mirrored = image_statistics(SHARP[:, ::-1].copy())

    assert turned.grain == pytest.approx(-found.grain, abs=0.02)
    assert mirrored.tilt == pytest.approx(-found.tilt, abs=0.02)
    assert mirrored.left == pytest.approx(found.right, abs=1e-6)
    assert mirrored.top_detail == pytest.approx(found.top_detail, abs=1e-6)


@pytest.mark.parametrize("cut", [0, 3])
def test_blocks__see_compression_wherever_its_grid_begins(cut: int) -> None:
    _, data = cv2.imencode(".jpg", SHARP, [cv2.IMWRITE_JPEG_QUALITY, 20])
    compressed = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[:, cut:].copy()

    assert image_statistics(compressed).blocks > 3 * abs(image_statistics(SHARP).blocks) + 0.3


def test_light__moves_neither_direction_nor_sides() -> None:
    found, dark = image_statistics(SHARP), image_statistics((SHARP * 0.8).astype(np.uint8))

    assert dark.brightness < 0.85 * found.brightness
    for name in ("grain", "tilt", "left", "top", "left_detail", "bottom_detail"):
        assert getattr(dark, name) == pytest.approx(getattr(found, name), abs=0.06)


def test_clipping__is_counted_in_shares() -> None:
    pixels = np.full((10, 20, 3), 100, np.uint8)
    pixels[:2], pixels[2:3] = 0, 255
    found = image_statistics(pixels)

    assert (found.dark, found.bright) == pytest.approx((0.2, 0.1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2), (9, 17)])
def test_smallest_images__have_finite_statistics(shape: tuple[int, int]) -> None:
    for grey in (0, 255):
        found = image_statistics(np.full((*shape, 3), grey, np.uint8))
        assert np.isfinite(found.values()).all()
        assert isinstance(found, ImageStatistics)
