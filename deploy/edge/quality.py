"""How well an image was taken: focus, exposure, clipping, noise, uneven light, and whether it shows anything at all.

Covered: one definition of each number, for data checks; brightness, contrast and
sharpness are those of `statistics`, never a second opinion. Not covered: what is usual on a line (a texture looks like
noise, a round part like uneven light): compare an image with others of its camera (`data_checks/quality.py`). The
device's own loop does not call this: it takes several times as long as `image_statistics`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.statistics import image_statistics

Pixels = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

GRID = 32
"""The light's slow change is fitted to this many cells across and down."""
SAMPLES = 2**18
"""Residuals whose median is taken; larger images are read on a grid."""
LEAST_VARIANCE = 1.0
"""Squared grey levels: below it there is nothing to be in focus."""
NORMAL = 0.6744897501960817
"""Median of |x| for standard normal x."""


@dataclass(frozen=True)
class ImageQuality:
    """The measures of one image, at its own size. Grey levels run 0..255, shares 0..1.

    `brightness`, `contrast`, `sharpness`: as `ImageStatistics` has them.
    `focus`: sharpness over the variance that is left without the light's slow change; 0 (mush) to about 20 (white
    noise), the same for the same picture under more or less light.
    `noise`: standard deviation in grey levels of what neighbours do not explain (Immerkaer's mask, median of the
    absolute residual); fine texture counts as noise.
    `gradient`: brightest less darkest place, in grey levels, of a quadratic surface fitted to the grey image (at
    the centres of its `GRID` cells).
    `clipped_dark`: share of pixels with 0 in every channel; `clipped_bright`: share with 255 in any.
    `entropy`: of the grey levels, in bits, 0..8. `dominant`: share of the most frequent grey level.
    """

    width: int
    height: int
    brightness: float
    contrast: float
    sharpness: float
    focus: float
    noise: float
    gradient: float
    clipped_dark: float
    clipped_bright: float
    entropy: float
    dominant: float

    @property
    def relative_contrast(self) -> float:
        """Contrast over brightness: the same under more or less light; low in fog."""
        return self.contrast / max(self.brightness, 1.0)


def image_quality(pixels: Pixels) -> ImageQuality:
    """Every measure of decoded pixels, uint8 RGB (H, W, 3)."""
    statistics = image_statistics(pixels)
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    light = _light(grey)
    left = max(statistics.contrast**2 - float(light.var()), LEAST_VARIANCE)
    dark, bright = _clipped(pixels)
    entropy, dominant = _information(grey)
    return ImageQuality(
        width=pixels.shape[1],
        height=pixels.shape[0],
        brightness=statistics.brightness,
        contrast=statistics.contrast,
        sharpness=statistics.sharpness,
        focus=statistics.sharpness / left,
        noise=_noise(grey),
        gradient=float(np.ptp(light)),
        clipped_dark=dark,
        clipped_bright=bright,
        entropy=entropy,
        dominant=dominant,
    )


def _noise(grey: Pixels) -> float:
    """Standard deviation of white noise that would leave the same median residual."""
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)  # its norm is 6
    step = max(1, int(np.ceil(np.sqrt(grey.size / SAMPLES))))
    residual = cv2.filter2D(grey, cv2.CV_16S, mask)[::step, ::step]
    return float(np.median(np.abs(residual))) / (6.0 * NORMAL)


def _light(grey: Pixels) -> Matrix:
    """The fitted quadratic surface, (GRID * GRID,), in grey levels."""
    cells = cv2.resize(grey, (GRID, GRID), interpolation=cv2.INTER_AREA)
    basis = _basis()
    return np.asarray(basis @ (basis.T @ cells.astype(np.float64).ravel()), np.float64)


@functools.cache
def _basis() -> Matrix:
    """Orthonormal columns that span 1, x, y, x², xy, y² on the grid."""
    place = np.linspace(-1.0, 1.0, GRID)
    y, x = (axis.ravel() for axis in np.meshgrid(place, place, indexing="ij"))
    columns = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    return np.asarray(np.linalg.qr(columns)[0], np.float64)


def _clipped(pixels: Pixels) -> tuple[float, float]:
    red, green, blue = cv2.split(pixels)
    highest = np.asarray(cv2.max(cv2.max(red, green), blue))
    full = int(np.count_nonzero(highest == 255))
    return 1.0 - cv2.countNonZero(highest) / highest.size, full / highest.size


def _information(grey: Pixels) -> tuple[float, float]:
    """Entropy in bits and the share of the most frequent level."""
    counts = cv2.calcHist([grey], [0], None, [256], [0.0, 256.0]).ravel()
    shares = counts[counts > 0].astype(np.float64) / grey.size
    return max(0.0, -float(np.sum(shares * np.log2(shares)))), float(shares.max())
