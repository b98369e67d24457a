"""What annotations draw on an image: polygons and run lengths as files state them, regions of pixels as we keep them.

Covered: outlines of several rings, absolute or as shares of the image, (0, 0) the upper left corner of the first
pixel; run lengths in pairs (Severstal) and as counts (COCO), which must fit the image exactly. Not covered: holes
(rings are joined), lines, key points.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Points = tuple[tuple[float, float], ...]

HUGE = 10**15
BEYOND = 1.0
"""Pixels that an outline may reach over the edge: tools draw on pixel centres or on corners."""


class ShapeError(ValueError):
    """A shape that cannot belong to its image; `code` is the quarantine's."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Region:
    """The pixels of one class: lengths of runs down the columns, background first, ending with the image."""

    label: str
    counts: tuple[int, ...]

    @classmethod
    def of(cls, label: str, mask: Mask) -> Region:
        """From a boolean (H, W)."""
        flat = np.concatenate([[False], mask.ravel(order="F")])
        changes = np.flatnonzero(flat[1:] != flat[:-1])
        bounds = np.concatenate([[0], changes, [mask.size]])
        return cls(label, tuple(int(count) for count in np.diff(bounds)))

    def mask(self, height: int, width: int) -> Mask:
        """Boolean (H, W); ValueError when the counts are of another size."""
        if sum(self.counts) != height * width:
            raise ValueError(f"counts of {sum(self.counts)} pixels for {width} x {height}")
        values = np.arange(len(self.counts)) % 2 == 1
        return np.repeat(values, self.counts).reshape((height, width), order="F")

    @property
    def area(self) -> int:
        """Pixels inside."""
        return sum(self.counts[1::2])


@dataclass(frozen=True)
class Outline:
    """A polygon of one or more rings, in pixels."""

    label: str
    rings: tuple[Points, ...]

    def region(self, height: int, width: int) -> Region:
        """Its pixels in an image of this size; ShapeError when it leaves the image or holds nothing."""
        canvas = np.zeros((height, width), bool)
        for ring in self.rings:
            points = np.asarray(ring, np.float64)
            if len(points) < 3 or not np.isfinite(points).all():
                raise ShapeError("shape_degenerate", f"{self.label}: a ring needs three points")
            low, high = points.min(axis=0), points.max(axis=0) - (width, height)
            if (low < -BEYOND).any() or (high > BEYOND).any():
                raise ShapeError(
                    "shape_out_of_bounds", f"{self.label} leaves the {width} x {height} image"
                )
            canvas |= _ring_mask(np.clip(points, 0, (width, height)), height, width)
        return _filled(Region.of(self.label, canvas))

    def scaled(self, x: float, y: float) -> Outline:
        """With every coordinate times `x` and `y`: from shares of the image to pixels."""
        rings = tuple(tuple((a * x, b * y) for a, b in ring) for ring in self.rings)
        return Outline(self.label, rings)


@dataclass(frozen=True)
class Runs:
    """Pixels down the columns, from 0: a start and a length for each run."""

    label: str
    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    total: int | None = None
    """Pixels of the image that the runs were made for, where the file tells."""

    @classmethod
    def of_counts(cls, label: str, counts: Sequence[int]) -> Runs:
        """From COCO's lengths of alternating runs, background first."""
        if any(count < 0 for count in counts):
            raise ShapeError("runs_negative", f"{label}: a run is negative")
        ends = list(itertools.accumulate(counts))
        ones = [(ends[i - 1], counts[i]) for i in range(1, len(counts), 2) if counts[i]]
        total = ends[-1] if ends else 0
        return cls(label, tuple(start for start, _ in ones), tuple(n for _, n in ones), total)

    def region(self, height: int, width: int) -> Region:
        """Its pixels; ShapeError when a run is empty, negative, or ends behind the image, or the counts before it."""
        if self.total not in (None, height * width):
            raise ShapeError(
                "runs_size",
                f"{self.label}: runs of {_told(self.total)} pixels for {width} x {height}",
            )
        flat = np.zeros(height * width, bool)
        for start, length in zip(self.starts, self.lengths, strict=True):
            if start < 0 or length <= 0 or start + length > flat.size:
                run = f"run of {_told(length)} from pixel {_told(start)}"
                raise ShapeError(
                    "runs_out_of_bounds", f"{self.label}: {run} leaves the {width} x {height} image"
                )
            flat[start : start + length] = True
        return _filled(Region.of(self.label, flat.reshape((height, width), order="F")))


Shape = Outline | Runs


def _ring_mask(points: npt.NDArray[np.float64], height: int, width: int) -> Mask:
    """The pixels whose centres lie inside; for a sliver between the centres, those that its line touches."""
    canvas = np.zeros((height, width), bool)
    (x0, y0), (x1, y1) = points.T, np.roll(points, -1, axis=0).T
    for row in range(int(y0.min()), min(height, int(np.ceil(y0.max())))):
        crossed = (y0 <= row + 0.5) != (y1 <= row + 0.5)
        share = (row + 0.5 - y0[crossed]) / (y1[crossed] - y0[crossed])
        crossings = np.sort(x0[crossed] + share * (x1[crossed] - x0[crossed]))
        for start, end in np.ceil(crossings - 0.5).astype(int).reshape(-1, 2):
            canvas[row, start:end] = True
    return canvas if canvas.any() else _touched(points, height, width)


def _touched(points: npt.NDArray[np.float64], height: int, width: int) -> Mask:
    canvas = np.zeros((height, width), np.uint8)
    pixels = np.clip(np.floor(points), 0, (width - 1, height - 1)).astype(np.int32)
    cv2.polylines(canvas, [pixels], isClosed=True, color=1)
    return canvas > 0


def _filled(region: Region) -> Region:
    if region.area == 0:
        raise ShapeError("shape_degenerate", f"{region.label} holds no pixel")
    return region


def marked(pixels: npt.NDArray[np.uint8], threshold: int) -> Mask:
    """The pixels of a grey mask, uint8 RGB (H, W, 3), that reach the threshold; boolean (H, W)."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) >= threshold)


def boxes_of(
    mask: Mask, *, min_area: int = 1, min_side: int = 1
) -> list[tuple[int, int, int, int]]:
    """Boxes (x0, y0, x1, y1), ends exclusive, of the 8-connected parts of a mask, from the top left."""
    _, _, found, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    kept = [
        (int(x), int(y), int(x + w), int(y + h))
        for x, y, w, h, area in found[1:]
        if area >= min_area and min(w, h) >= min_side
    ]
    return sorted(kept, key=lambda box: (box[1], box[0]))


def parts_in(mask: Mask) -> Iterator[tuple[int, int, Mask]]:
    """Left edge, top edge and own pixels of each 8-connected part, in the order of their first pixels by rows."""
    count, numbers, found, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    for number in range(1, count):
        x, y, width, height = (int(value) for value in found[number][:4])
        yield x, y, numbers[y : y + height, x : x + width] == number


def _told(number: int | None) -> str:
    """Annotations may state numbers of thousands of digits."""
    return str(number) if number is None or abs(number) < HUGE else "far too many"
