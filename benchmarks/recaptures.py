"""A tile photographed again, with or without a scratch on it; made one way for everybody who is measured.

The second photograph is shifted by up to 2 px in fractions of a pixel, lit within 15 %, noisy, and saved as JPEG 60.
A scratch is drawn before all that, on the tile. Both photographs lose `MARGIN` pixels at the border, so that nothing
in them was made up by the shift. The shift is bilinear, which blurs a little; the comparison under test is bicubic.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.decode import read_image

ROOT = Path(__file__).resolve().parents[1]
ASSETS = Path(os.environ.get("PLUMBLINE_TEST_ASSETS", ROOT.parent / "shared"))
MARGIN = 4
"""Pixels cut off at each border."""
LARGEST_SHIFT = 2.0
GAIN = (0.85, 1.15)
QUALITY = 60

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scratch:
    """A straight scratch: width and length in pixels, contrast in grey levels of the tile before it is lit anew."""

    width: int
    length: int
    contrast: float


def tiles() -> list[Path]:
    """Every Magnetic-tile photograph, sorted."""
    found = sorted((ASSETS / "data" / "magnetic_tile").glob("*/Imgs/*.jpg"))
    if not found:
        raise SystemExit("no Magnetic-tile images: set PLUMBLINE_TEST_ASSETS")
    return found


def original(path: Path) -> Pixels:
    """The first photograph, uint8 (H, W, 3) RGB."""
    return inner(read_image(path).pixels)


def inner(pixels: Pixels) -> Pixels:
    """Without its border."""
    return np.ascontiguousarray(pixels[MARGIN:-MARGIN, MARGIN:-MARGIN])


def recapture(path: Path, seed: list[int], *, sigma: float, scratch: Scratch | None) -> bytes:
    """The second photograph as a JPEG file."""
    rng = np.random.default_rng(seed)
    tile = read_image(path).pixels.astype(np.float32)
    gain = rng.uniform(*GAIN)
    x, y = rng.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, 2)
    if scratch is not None:
        tile = scratched(tile, scratch, gain, rng)
    there = np.array([[1, 0, x], [0, 1, y]], np.float32)
    lit = inner(cv2.warpAffine(tile, there, tile.shape[1::-1])) * gain  # type: ignore[arg-type]
    noisy = lit + rng.normal(0, sigma, (*lit.shape[:2], 1))
    levels = np.clip(np.round(noisy), 0, 255).astype(np.uint8)[..., ::-1]
    done, data = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    return data.tobytes()


def scratched(tile: Plane, scratch: Scratch, gain: float, rng: np.random.Generator) -> Plane:
    """The tile with a scratch somewhere, brighter or darker at random, or as it must be to show in this light."""
    mark = _mark(tile.shape[:2], scratch, rng)
    sign = float(rng.choice([-1.0, 1.0]))
    shown = {s: _shown(tile, s * scratch.contrast * mark, gain, mark > 0.5) for s in (sign, -sign)}
    if shown[sign] < 0.9 * gain * scratch.contrast and shown[-sign] > shown[sign]:
        sign = -sign
    drawn = np.clip(tile + sign * scratch.contrast * mark[..., None], 0, 255)
    return np.asarray(drawn, np.float32)


def _mark(shape: tuple[int, ...], scratch: Scratch, rng: np.random.Generator) -> Plane:
    """1 on the scratch, 0 beside it, in between where it covers part of a pixel; all of it on both photographs."""
    angle = rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    border = MARGIN + LARGEST_SHIFT + scratch.width + np.abs(along) * scratch.length / 2
    x, y = rng.uniform(border, np.array(shape[::-1]) - border)
    down, across = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    across, down = across - x, down - y
    place = np.clip(across * along[0] + down * along[1], -scratch.length / 2, scratch.length / 2)
    distance = np.hypot(across - place * along[0], down - place * along[1])
    return np.asarray(np.clip(scratch.width / 2 + 0.5 - distance, 0, 1), np.float32)


def _shown(tile: Plane, change: Plane, gain: float, where: npt.NDArray[np.bool_]) -> float:
    """Grey levels of a change that are left after clipping, in this light."""
    before = tile[where].mean(axis=1)
    after = np.clip(before + change[where], 0, 255)
    lit = [np.clip(gain * values, 0, 255) for values in (before, after)]
    return float(np.abs(lit[1] - lit[0]).mean())
