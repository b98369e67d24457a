"""From decoded pixels to the graph's input, written once: training, evaluation and the device all call this.

Shrinking averages (INTER_AREA, so that a thin scratch fades but never falls between samples); growing interpolates
(INTER_LINEAR). Each axis by its own rule. Normalisation is inside the graph, not here.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.errors import ImageError
from deploy.edge.spec import Preprocessing

Pixels = npt.NDArray[np.uint8]

PAD_VALUE = 114
"""Grey of the bars that `pad` adds: near the mean of usual normalisations, so the bars stay quiet in the network."""


def preprocess(pixels: Pixels, spec: Preprocessing) -> Pixels:
    """uint8 RGB (H, W, 3) of any size -> contiguous uint8 (spec.height, spec.width, 3)."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ImageError(
            "undecodable", f"pixels must be uint8 (H, W, 3), got {pixels.dtype} {pixels.shape}"
        )
    if spec.resize == "pad":
        return _pad(pixels, spec)
    if spec.resize == "crop":
        pixels = _centre(pixels, spec)
    return _resize(pixels, spec.height, spec.width)


def _resize(pixels: Pixels, height: int, width: int) -> Pixels:
    shrunk = (min(height, pixels.shape[0]), min(width, pixels.shape[1]))
    for size, method in ((shrunk, cv2.INTER_AREA), ((height, width), cv2.INTER_LINEAR)):
        if pixels.shape[:2] != size:
            pixels = cv2.resize(pixels, size[::-1], interpolation=method).astype(
                np.uint8, copy=False
            )
    return np.ascontiguousarray(pixels)


def _pad(pixels: Pixels, spec: Preprocessing) -> Pixels:
    scale = min(spec.height / pixels.shape[0], spec.width / pixels.shape[1])
    height = min(spec.height, max(1, round(pixels.shape[0] * scale)))
    width = min(spec.width, max(1, round(pixels.shape[1] * scale)))
    canvas = np.full((spec.height, spec.width, 3), PAD_VALUE, np.uint8)
    top, left = (spec.height - height) // 2, (spec.width - width) // 2
    canvas[top : top + height, left : left + width] = _resize(pixels, height, width)
    return canvas


def _centre(pixels: Pixels, spec: Preprocessing) -> Pixels:
    """The largest centred part of the model's aspect; cut first, so an odd shape never grows into gigabytes."""
    rows, columns = pixels.shape[:2]
    height = min(rows, max(1, round(columns * spec.height / spec.width)))
    width = min(columns, max(1, round(rows * spec.width / spec.height)))
    top, left = (rows - height) // 2, (columns - width) // 2
    return pixels[top : top + height, left : left + width]
