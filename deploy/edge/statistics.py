"""A few numbers of one image that tell a camera's troubles apart; the device logs them, the drift monitor reads them.

Covered: light, focus, compression, clipping, and whether the camera still looks at the same place from the same angle.
Not covered: what is usual on a line; these are numbers, `data_checks/drift.py` compares them with a reference.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]

CELLS = 16
"""A side of the picture is as wide as one of so many cells."""
BLOCK = 8
"""Side in pixels of the squares that JPEG compresses one by one."""


@dataclass(frozen=True)
class ImageStatistics:
    """`brightness`: mean grey 0..255; `contrast`: its standard deviation; `sharpness`: variance of the Laplacian.

    `detail`: mean squared difference of neighbours, across and down. `blocks`: differences at the borders of JPEG's
    blocks over those inside, less 1. `dark`, `bright`: shares of grey levels 0 and 255. `grain`, `tilt`: -1..1, the
    direction of the texture: across against down, one diagonal against the other. `left` … `bottom`: a side's mean
    grey less the picture's, in contrasts; `left_detail` … : a side's sharpness over the picture's (mean absolutes).
    """

    brightness: float
    contrast: float
    sharpness: float
    detail: float = 0.0
    blocks: float = 0.0
    dark: float = 0.0
    bright: float = 0.0
    grain: float = 0.0
    tilt: float = 0.0
    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    left_detail: float = 1.0
    right_detail: float = 1.0
    top_detail: float = 1.0
    bottom_detail: float = 1.0

    def values(self) -> tuple[float, ...]:
        """All numbers in the order of `STATISTICS`."""
        return astuple(self)


STATISTICS = tuple(field.name for field in fields(ImageStatistics))
FIRST = 3
"""So many of them are in logs and bundles of versions that knew no others."""


def image_statistics(pixels: npt.NDArray[np.uint8]) -> ImageStatistics:
    """Statistics of decoded pixels, uint8 RGB (H, W, 3), at their own size."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    mean, deviation = cv2.meanStdDev(grey)
    # -1020..1020: 16 bit hold it, at a quarter of the memory
    edges = cv2.Laplacian(grey, cv2.CV_16S)
    _, spread = cv2.meanStdDev(edges)
    brightness, contrast = float(mean[0, 0]), float(deviation[0, 0])
    detail, grain, tilt = _texture(grey)
    return ImageStatistics(
        brightness,
        contrast,
        float(spread[0, 0]) ** 2,
        detail,
        _blocks(grey),
        1.0 - cv2.countNonZero(grey) / grey.size,
        cv2.countNonZero(cv2.inRange(grey, 255, 255)) / grey.size,
        grain,
        tilt,
        *_sides(grey, brightness, max(contrast, 1.0)),
        *_sides(np.asarray(cv2.convertScaleAbs(edges), np.uint8), 0.0, None),
    )


def _texture(grey: Grey) -> tuple[float, float, float]:
    """Squared differences of neighbours per pixel, across against down, one diagonal against the other."""
    if min(grey.shape) < 2:
        return 0.0, 0.0, 0.0
    pairs = (
        (grey[:-1, 1:], grey[:-1, :-1]),
        (grey[1:, :-1], grey[:-1, :-1]),
        (grey[1:, 1:], grey[:-1, :-1]),
        (grey[1:, :-1], grey[:-1, 1:]),
    )
    across, down, one, other = (cv2.norm(a, b, cv2.NORM_L2SQR) for a, b in pairs)
    detail = (across + down) / pairs[0][0].size
    return (
        detail,
        (across - down) / max(across + down, 1.0),
        (one - other) / max(one + other, 1.0),
    )


def _blocks(grey: Grey) -> float:
    """0 without a grid of 8 pixels; wherever it starts, since a picture may be cut after it was compressed."""
    width = (grey.shape[1] - 1) // BLOCK * BLOCK
    if width < 2 * BLOCK:
        return 0.0
    steps = cv2.absdiff(grey[:, 1 : width + 1], grey[:, :width])
    columns = cv2.reduce(steps, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    phases = np.sort(columns.reshape(-1, BLOCK).sum(axis=0))
    inside = float(phases[3] + phases[4]) / 2.0
    return float(phases[-1]) / max(inside, 1.0) - 1.0


def _sides(picture: Grey, middle: float, unit: float | None) -> tuple[float, ...]:
    """(mean of a side - middle) / unit, left, right, top, bottom; the unit is the whole's mean when None."""
    rows, columns = (max(1, side // CELLS) for side in picture.shape)
    size = unit or max(cv2.mean(picture)[0], 1e-3)
    sides = (picture[:, :columns], picture[:, -columns:], picture[:rows], picture[-rows:])
    return tuple((cv2.mean(side)[0] - middle) / size for side in sides)
