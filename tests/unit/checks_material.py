"""Small images on disk, an index over them, and batches of predictions, for the tests of data_checks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from data_checks.drift import DriftReference
from deploy.edge.statistics import image_statistics
from inspection.data.index import ImageIndex

Pixels = npt.NDArray[np.uint8]


def surface(seed: int, *, size: int = 96, fine: float = 1.2, strength: float = 14.0) -> Pixels:
    """A brushed-metal-like surface of its own, uint8 RGB."""
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.normal(0, 1, (size, size)), (0, 0), fine)
    lines = cv2.GaussianBlur(rng.normal(0, 1, (size, size)), (0, 0), sigmaX=20, sigmaY=0.8)
    mixed = texture / texture.std() + lines / lines.std()
    grey = np.clip(120 + strength * mixed / mixed.std(), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def recaptured(pixels: Pixels, seed: int) -> Pixels:
    """The same surface photographed again: shifted up to 2 px, other exposure, noise."""
    rng = np.random.default_rng(seed)
    down, right = rng.integers(-2, 3, 2)
    moved = np.roll(pixels, (int(down), int(right)), axis=(0, 1)).astype(np.float64)
    noisy = moved * rng.uniform(0.75, 1.15) + rng.normal(0, 4, moved.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def indexed(
    root: Path, images: Mapping[str, Pixels], facts: Mapping[str, Mapping[str, Any]] | None = None
) -> ImageIndex:
    """Write images below `root` and describe them truly; the label is the first folder of the path.

    `facts` overrides columns by path.
    """
    rows = []
    for path, pixels in images.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(target), np.ascontiguousarray(pixels[:, :, ::-1]))
        data = target.read_bytes()
        stored = cv2.imread(str(target))
        assert stored is not None
        decoded = np.ascontiguousarray(stored[:, :, ::-1]).astype(np.uint8)
        numbers = image_statistics(decoded)
        row: dict[str, Any] = {
            "image_id": hashlib.sha256(data).hexdigest(),
            "pixel_id": hashlib.sha256(
                repr(decoded.shape).encode() + decoded.tobytes()
            ).hexdigest(),
            "path": path,
            "format": "jpeg" if path.endswith("jpg") else "png",
            "bytes": len(data),
            "width": decoded.shape[1],
            "height": decoded.shape[0],
            "channels": 3,
            "bit_depth": 8,
            "label": path.split("/")[0],
            "boxes": [],
            "source": "test",
            "label_source": "folder",
            "brightness": numbers.brightness,
            "contrast": numbers.contrast,
            "sharpness": numbers.sharpness,
        }
        rows.append({**row, **(facts or {}).get(path, {})})
    return ImageIndex.from_rows(root, rows)


def clean_index(root: Path, *, per_class: int = 10) -> ImageIndex:
    """Two classes of distinct surfaces, split and grouped: every question is answered well."""
    images = {
        f"{label}/{number:02d}.png": surface(number + 1000 * (label == "ok"), size=48)
        for label in ("ok", "scratch")
        for number in range(per_class)
    }
    index = indexed(root, images)
    splits = [("train", "train", "val", "test")[row % 4] for row in range(len(index))]
    return index.with_columns(split=splits, group=list(index.frame["image_id"]))


def batch(
    seed: int,
    images: int,
    *,
    classes: int = 3,
    shift: float = 0.0,
    light: float = 0.0,
    blur: float = 1.0,
    strangers: int = 0,
) -> DriftReference:
    """What a model says of `images` parts; the keywords move one thing each."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, images)
    centres = np.random.default_rng(0).normal(0, 2, (classes, 16))
    embedding = centres[truth] + rng.normal(0, 1, (images, 16)) + shift
    embedding[:strangers] += 9.0
    logits = -((embedding[:, None, :] - centres[None]) ** 2).sum(axis=2)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    contrast = rng.lognormal(3.0, 0.2, images)
    statistics = np.stack(
        [
            np.clip(120 + 2 * contrast + rng.normal(0, 8, images) + light, 0, 255),
            contrast * blur,
            rng.lognormal(5.0, 0.4, images) * blur**2,
        ],
        axis=1,
    )
    return DriftReference(
        statistics.astype(np.float32),
        (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32),
        embedding.astype(np.float32),
    )
