"""What is drawn on one image, as separate defects: connected parts of regions or of the mask, else stated boxes.

Covered: a stated box counts where no region of its class lies in it, so an object drawn both ways is one defect; boxes
of the ok class are no defects. Not covered: touching defects of one class (8-connected pixels are one part).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deploy.edge.decode import read_image
from deploy.edge.errors import ImageError
from inspection.data.marked_area import inside_root
from inspection.data.patch_geometry import Shape, whole
from inspection.data.readers.base import Box
from inspection.data.shapes import Mask, Region, marked

Row = dict[str, Any]


class Unusable(ValueError):
    """An image that cannot be cut; the message is the code that reports count."""


@dataclass(frozen=True)
class Defect:
    """One connected thing: its bounds and class, its pixels, and what it was drawn as (region, mask, box)."""

    box: Box
    area: float
    source: str

    def large_enough(self, min_area: float, min_side: float) -> bool:
        """Whether neither its area nor its shorter side is below the limits."""
        shorter = min(self.box.x1 - self.box.x0, self.box.y1 - self.box.y0)
        return self.area >= min_area and shorter >= min_side

    @property
    def rank(self) -> tuple[float, float, float, str]:
        """Sorts the largest first, then from the top left."""
        return -self.area, self.box.y0, self.box.x0, self.box.label


@dataclass(frozen=True)
class Marks:
    """All that is drawn on one image, small things included; `regions` where there are pixels."""

    defects: tuple[Defect, ...] = ()
    regions: tuple[Region, ...] = ()


def marks_of(
    row: Row, root: Path, *, threshold: int, ok_class: str | None, max_megapixels: float
) -> Marks:
    """The marks of an index row; Unusable when its regions or mask do not fit, or contradict its label."""
    shape = size_of(row)
    stated = [Region(each["label"], tuple(each["counts"])) for each in row["regions"] or []]
    regions = [region for region in stated if region.label != ok_class and region.area]
    source = "region"
    if not stated and row["mask_path"] is not None:
        regions, source = _mask_region(row, root, shape, threshold, max_megapixels), "mask"
        if regions and row["label"] == ok_class:
            raise Unusable("label_contradicts_mask")
    masks = [_fitting(region, shape) for region in regions]
    pairs = zip(regions, masks, strict=True)
    found = [part for region, mask in pairs for part in _parts(region.label, mask, source)]
    boxes = [Box(**box) for box in row["boxes"] or [] if box["label"] != ok_class]
    if source != "mask" or not found:  # a mask without classes says all there is to say
        found += _undrawn(boxes, regions, masks, shape)
    return Marks(tuple(sorted(found, key=lambda defect: defect.rank)), tuple(regions))


def size_of(row: Row) -> Shape:
    """Height and width as the index has them; Unusable when it does not."""
    if row["height"] is None or row["width"] is None:
        raise Unusable("size_unknown")
    return int(row["height"]), int(row["width"])


def inside(root: Path, name: str) -> Path:
    """The file of this name; Unusable when it, or a link, leads out of the root."""
    file = inside_root(root, name)
    if file is None:
        raise Unusable("outside_root")
    return file


def _mask_region(
    row: Row, root: Path, shape: Shape, threshold: int, max_megapixels: float
) -> list[Region]:
    try:
        path = inside(root, row["mask_path"])
        pixels = read_image(path, max_megapixels=max_megapixels).pixels
    except ImageError as error:
        raise Unusable(f"mask_{error.reason}") from error
    if pixels.shape[:2] != shape:
        raise Unusable("mask_size")
    defect = marked(pixels, threshold)
    if not defect.any():
        return []
    if row["label"] is None:
        raise Unusable("label_missing")
    return [Region.of(str(row["label"]), defect)]


def _fitting(region: Region, shape: Shape) -> Mask:
    try:
        return region.mask(*shape)
    except ValueError as error:
        raise Unusable("region_size") from error


def _parts(label: str, mask: Mask, source: str) -> list[Defect]:
    _, _, found, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return [
        Defect(Box(float(x), float(y), float(x + w), float(y + h), label), float(area), source)
        for x, y, w, h, area in found[1:]
    ]


def _undrawn(
    boxes: Sequence[Box], regions: Sequence[Region], masks: Sequence[Mask], shape: Shape
) -> list[Defect]:
    """The stated boxes in which no region of their class has a pixel."""
    found = []
    for box in boxes:
        x0, y0, x1, y1 = whole(box, shape)
        same = [r.label == box.label for r in regions]
        if not any(mask[y0:y1, x0:x1].any() for mask in itertools.compress(masks, same)):
            found.append(Defect(box, box.area, "box"))
    return found
