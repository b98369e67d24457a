"""The eight views of a square image: as the camera saw it, mirrored, turned by quarters, and both.

A view is a number, the sum of what is done to the pixels. The teacher's images are brought into it here, the student's
in `inspection/training/augment.py`; both have to mean the same by it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UPRIGHT = 0
"""As the camera saw it."""
ROWS, COLUMNS, TURNED = 1, 2, 4
"""Mirrored up-down; mirrored left-right; then rows for columns, which makes quarter turns of mirror images."""
VIEWS = 8


def seen_in(view: int, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Pixels (..., H, W, C) in `view`; TURNED exchanges height and width."""
    if view & ROWS:
        pixels = np.flip(pixels, -3)
    if view & COLUMNS:
        pixels = np.flip(pixels, -2)
    if view & TURNED:
        pixels = np.swapaxes(pixels, -3, -2)
    return np.ascontiguousarray(pixels)  # torch takes no negative strides
