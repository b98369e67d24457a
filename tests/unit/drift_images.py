"""Batches as a device logs them, of drawn surfaces of two kinds seen through the device's own statistics."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from data_checks.drift_reference import DriftReference
from deploy.edge.statistics import image_statistics
from tests.unit.checks_material import surface

Pixels = npt.NDArray[np.uint8]
Change = Callable[[Pixels], Pixels]
CLASSES = ("coarse", "fine")
KINDS = (2.0, 1.0)
WAY = np.random.default_rng(99).normal(size=(64, 12))


def darker(pixels: Pixels) -> Pixels:
    return np.asarray((pixels * 0.8).round(), np.uint8)


def blurred(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1.5), np.uint8)


def compressed(pixels: Pixels) -> Pixels:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 25])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def moved(pixels: Pixels) -> Pixels:
    """The picture 8 px further right: what was beside the part, dark, is seen now."""
    shifted = np.roll(pixels, 8, axis=1)
    shifted[:, :8] = 20
    return shifted


def batch(
    seed: int, images: int, change: Change | None = None, *, strangers: int = 0
) -> DriftReference:
    """`strangers` of them show a surface of a third kind."""
    rng = np.random.default_rng(seed)
    statistics, embedding, probabilities = [], [], []
    for number in range(images):
        kind = int(rng.integers(2))
        strange = number < strangers
        drawn = surface(int(rng.integers(2**31)), size=64, fine=0.5 if strange else KINDS[kind])
        pixels = change(drawn) if change else drawn
        statistics.append(image_statistics(pixels).values())
        cells = cv2.resize(np.abs(cv2.Laplacian(pixels[..., 0], cv2.CV_32F)), (8, 8))
        noise = rng.normal(0, 0.3, 12)
        third = np.eye(12)[0] * 9.0 * strange
        embedding.append(np.log1p(cells).ravel() @ WAY / 8.0 + noise + third)
        sure = 0.9 + 0.05 * rng.random()
        probabilities.append([sure, 1 - sure] if kind == 0 else [1 - sure, sure])
    return DriftReference(
        np.array(statistics, np.float32),
        np.array(probabilities, np.float32),
        np.array(embedding, np.float32),
    )
