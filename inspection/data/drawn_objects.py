"""What is drawn on an image of an index, object by object, for those who write it down for others.

Covered: boxes, regions, a box and the region that fills it as one object; a grey mask (`mask_path`) as one region for
each connected part, of the image's label. Not covered: masks of class numbers, whose regions are in the index already;
touching defects in a grey mask (8-connected pixels are one object).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inspection.config import ChecksConfig
from inspection.data.index import ImageIndex
from inspection.data.patch_defects import Unusable, marks_of
from inspection.data.readers.base import Box
from inspection.data.shapes import Mask, Region, parts_in
from inspection.data.unlabelled import labelled_part
from inspection.errors import DataError
from inspection.progress import track

Row = dict[str, Any]

NEAR = 2.0
"""Pixels between a region's own bounds and the box of the same object: polygons are drawn on centres or corners."""
CLASS_NUMBERS = "index_masks"
"""The reader whose masks hold class numbers, not grey levels: what they mark is in `regions`."""


@dataclass(frozen=True)
class Object:
    """One drawn thing of a row: a box, a region, or both."""

    box: Box | None
    region: Region | None
    bounds: Box | None
    """Of the region."""

    @property
    def label(self) -> str:
        """Its class."""
        held = self.box or self.region
        assert held is not None
        return held.label

    @property
    def area(self) -> float:
        """Pixels of the region, else of the box."""
        if self.region is not None:
            return float(self.region.area)
        return self.box.area if self.box else 0.0


@dataclass(frozen=True)
class DrawnImage:
    """A usable row, what is drawn on it, and whether its mask had to be left out for want of a label."""

    row: Row
    objects: tuple[Object, ...]
    nameless_mask: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.row["height"]), int(self.row["width"])

    def mask(self, region: Region) -> Mask:
        """The region's pixels, boolean (H, W)."""
        return region.mask(*self.size)


def drawn_images(index: ImageIndex, *, mask_threshold: int) -> list[DrawnImage]:
    """The usable images by path, without unlabelled ones, which would pass for sound ones.

    DataError for a mask that is gone, or does not fit its image any more.
    """
    rows = usable_rows(labelled_part(index))
    return [
        _drawn(row, index.root, mask_threshold) for row in track(rows, "reading marks", len(rows))
    ]


def usable_rows(index: ImageIndex) -> list[Row]:
    """The rows that are not in quarantine, by path."""
    rows: list[Row] = index.usable().table().to_pylist()
    return sorted(rows, key=lambda row: str(row["path"]))


def is_grey_mask(row: Row) -> bool:
    """Whether the row's mask is a file that says more than its regions do."""
    return row["mask_path"] is not None and row["source"] != CLASS_NUMBERS


def _drawn(row: Row, root: Path, threshold: int) -> DrawnImage:
    boxes = [Box(**box) for box in row["boxes"] or []]
    regions = [Region(each["label"], tuple(each["counts"])) for each in row["regions"] or []]
    nameless = False
    if not regions and is_grey_mask(row):
        found = _marked(row, root, threshold)
        nameless = found is None
        regions = _in_order_of(boxes, found or [], row)
    return DrawnImage(row, tuple(_paired(boxes, regions, row)), nameless)


def _marked(row: Row, root: Path, threshold: int) -> list[Region] | None:
    """The connected parts of the row's grey mask; None for pixels that no label names."""
    limit = ChecksConfig().max_megapixels
    try:
        marks = marks_of(row, root, threshold=threshold, ok_class=None, max_megapixels=limit)
    except Unusable as reason:
        if str(reason) == "label_missing":
            return None
        raise DataError(
            f"export: mask '{row['mask_path']}' of '{row['path']}' cannot be used any more ({reason}): "
            "mend it, or import the data again"
        ) from reason
    height, width = int(row["height"]), int(row["width"])
    return [part for whole in marks.regions for part in parts_of(whole, height, width)]


def parts_of(region: Region, height: int, width: int) -> list[Region]:
    """A region for each 8-connected part, in the order of their first pixels by rows."""
    parts = []
    for x, y, part in parts_in(region.mask(height, width)):
        # Down the columns of the part alone: a mask of thousands of specks would take minutes otherwise.
        columns, rows = np.nonzero(part.T)
        places = (columns + x) * height + rows + y
        parts.append(Region(region.label, _counts(places, height * width)))
    return parts


def _counts(places: np.ndarray[Any, np.dtype[np.int64]], size: int) -> tuple[int, ...]:
    """Lengths of alternating runs, background first, from the sorted places of pixels."""
    breaks = np.flatnonzero(np.diff(places) > 1)
    starts = places[np.concatenate([[0], breaks + 1])]
    ends = places[np.concatenate([breaks, [len(places) - 1]])] + 1
    bounds = np.stack([starts, ends], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], bounds, [size]]))
    return tuple(int(count) for count in (counts if counts[-1] else counts[:-1]))


def _in_order_of(boxes: list[Box], parts: list[Region], row: Row) -> list[Region]:
    """The parts in the order of the boxes that they fill, so that pairs are found; the others last."""

    def rank(part: Region) -> int:
        bounds = _bounds(part, row)
        return next((i for i, box in enumerate(boxes) if _same(box, bounds)), len(boxes))

    return sorted(parts, key=rank) if boxes else parts


def _paired(boxes: list[Box], regions: list[Region], row: Row) -> list[Object]:
    """Boxes and regions in their order; each region joins the next box that has its label and bounds."""
    found: list[Object] = []
    for region in regions:
        bounds = _bounds(region, row)
        match = next((i for i, box in enumerate(boxes) if _same(box, bounds)), None)
        own = None
        if match is not None:
            found += [Object(box, None, None) for box in boxes[:match]]
            own, boxes = boxes[match], boxes[match + 1 :]
        found.append(Object(own, region, bounds))
    return found + [Object(box, None, None) for box in boxes]


def _same(box: Box, bounds: Box) -> bool:
    sides = ((box.x0, bounds.x0), (box.y0, bounds.y0), (box.x1, bounds.x1), (box.y1, bounds.y1))
    return box.label == bounds.label and all(abs(a - b) <= NEAR for a, b in sides)


def _bounds(region: Region, row: Row) -> Box:
    """The smallest box around the region, from its runs down the columns."""
    height = int(row["height"])
    ends = np.cumsum(region.counts)
    first, last = ends[0::2][: len(region.counts) // 2], ends[1::2] - 1
    left, right = first // height, last // height
    # A run over the foot of a column touches the top of the next.
    over = left != right
    top = 0 if over.any() else int((first % height).min())
    foot = height if over.any() else int((last % height).max()) + 1
    return Box(float(left.min()), float(top), float(right.max() + 1), float(foot), region.label)
