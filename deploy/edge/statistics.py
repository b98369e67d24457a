"""Three numbers that tell a camera's trouble: brightness, contrast, sharpness. The drift monitor watches them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class ImageStatistics:
    """`brightness`: mean grey 0..255; `contrast`: its standard deviation; `sharpness`: variance of the Laplacian."""

    brightness: float
    contrast: float
    sharpness: float


def image_statistics(pixels: npt.NDArray[np.uint8]) -> ImageStatistics:
    """Statistics of decoded pixels, uint8 RGB (H, W, 3), at their own size."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    mean, deviation = cv2.meanStdDev(grey)
    edges = cv2.Laplacian(
        grey, cv2.CV_16S
    )  # -1020..1020: 16 bit hold it, at a quarter of the memory
    _, spread = cv2.meanStdDev(edges)
    return ImageStatistics(float(mean[0, 0]), float(deviation[0, 0]), float(spread[0, 0]) ** 2)
