"""Where on an image people have marked something: its regions, its mask or its boxes, as pixels.

Covered: mask files inside the index's root. Not covered: marks that no longer fit the file's size (they count as none).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deploy.edge.decode import read_image
from deploy.edge.errors import ImageError
from deploy.edge.preprocess import PAD_VALUE, preprocess
from deploy.edge.spec import Preprocessing
from inspection.data.shapes import Mask, Region, marked

Row = Mapping[str, Any]
"""Columns `regions`, `mask_path`, `boxes` of an image index."""
Shape = tuple[int, int]


def marked_area(
    root: Path, row: Row, shape: Shape, *, threshold: int, max_megapixels: float = 100.0
) -> Mask | None:
    """Boolean (H, W) of all that is marked on an image of `shape`, boxes filled; None when nothing is."""
    drawn = drawn_area(root, row, shape, threshold=threshold, max_megapixels=max_megapixels)
    found = drawn if drawn is not None and drawn.any() else _boxed(row.get("boxes") or (), shape)
    return found if found.any() else None


def drawn_area(
    root: Path, row: Row, shape: Shape, *, threshold: int, max_megapixels: float = 100.0
) -> Mask | None:
    """Boolean (H, W) of regions or the mask alone, empty where they mark nothing; None where neither can be had."""
    if len(row.get("regions") or ()):
        return _union(row["regions"], shape)
    if isinstance(row.get("mask_path"), str):
        return _mask(root, row["mask_path"], shape, threshold, max_megapixels)
    return None


def as_seen(area: Mask, preprocessing: Preprocessing) -> Mask:
    """The marked area on the network's input: every pixel that a marked one went into."""
    # Unmarked pixels are as grey as the bars of `pad`, so that both stay unmarked.
    drawn = np.where(area[..., None], 255, PAD_VALUE).astype(np.uint8).repeat(3, axis=2)
    return np.asarray(preprocess(drawn, preprocessing)[..., 0] > PAD_VALUE)


def _union(regions: Sequence[Row], shape: Shape) -> Mask | None:
    """True where any region is; None when the file is no longer of the size that was annotated."""
    found = [Region(str(region["label"]), tuple(region["counts"])) for region in regions]
    try:
        masks = [region.mask(*shape) for region in found]
    except ValueError:
        return None
    return np.asarray(np.any(masks, axis=0))


def inside_root(root: Path, path: str) -> Path | None:
    """The file, unless its name or a link leads out of the root."""
    file = (root / path).resolve()
    return file if file.is_relative_to(root.resolve()) else None


def _mask(
    root: Path, path: str, shape: Shape, threshold: int, max_megapixels: float
) -> Mask | None:
    file = inside_root(root, path)
    if file is None:
        return None
    try:
        pixels = read_image(file, max_megapixels=max_megapixels).pixels
    except ImageError:
        return None
    return marked(pixels, threshold) if pixels.shape[:2] == shape else None


def _boxed(boxes: Sequence[Row], shape: Shape) -> Mask:
    area = np.zeros(shape, bool)
    for box in boxes:
        x0, y0 = (max(0, math.floor(box[name])) for name in ("x0", "y0"))
        x1, y1 = (max(0, math.ceil(box[name])) for name in ("x1", "y1"))
        area[y0:y1, x0:x1] = True
    return area
