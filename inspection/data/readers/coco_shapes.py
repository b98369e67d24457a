"""One COCO annotation as an object: its box, and its polygon or run lengths.

Covered: `bbox` as [x, y, width, height]; `segmentation` as polygons (several rings, or one ring not nested), as run
lengths in a list, and as the compressed text of run lengths. Not covered: key points, the `area` that the file states
(we measure it), `iscrowd` (a crowd is an object like any other).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from inspection.data.readers.base import Box
from inspection.data.readers.drawn import Drawn
from inspection.data.readers.stated import number, numbers, shown, whole
from inspection.data.shapes import Outline, Points, Runs, Shape, ShapeError

Size = tuple[int, int]
"""Width and height."""

DIGITS = 6
"""Decimals of a corner: x + width in binary may end a hair beyond an image that it fits exactly."""
NUMBERS = re.compile(r"(?:[P-o]{0,6}[0-O])*")
"""Compressed run lengths: numbers of up to seven characters of five bits, the last one below 'P'."""


def drawn_of(annotation: Mapping[str, Any], label: str) -> Drawn:
    """The object; ValueError for values of the wrong kind, ShapeError for impossible run lengths."""
    box = _box(annotation, label)
    shape = _shape(annotation.get("segmentation"), label)
    if box is None and shape is None:
        raise ValueError("has neither bbox nor segmentation")
    # Our own export gives regions a box for other tools' sake; it is nobody's annotation.
    derived = annotation.get("bbox_derived") is True and shape is not None
    return Drawn(label, None if derived else box, shape)


def mask_size(annotation: Mapping[str, Any]) -> Size | None:
    """Width and height that the run lengths were drawn on; None for polygons and boxes."""
    segmentation = annotation.get("segmentation")
    return _runs_size(segmentation) if isinstance(segmentation, dict) else None


def _runs_size(segmentation: Mapping[str, Any]) -> Size:
    size = segmentation.get("size")
    if not isinstance(size, list) or len(size) != 2:
        raise ValueError(f"segmentation.size is {shown(size)}, [height, width] is wanted")
    height, width = (whole(side, "segmentation.size") for side in size)
    number(max(height, width), "segmentation.size")
    if height <= 0 or width <= 0:
        raise ValueError(f"segmentation.size is {height} x {width}, not an image's")
    return width, height


def counts_of_text(text: str) -> list[int]:
    """Run lengths out of COCO's compressed text; ValueError where it cannot be one.

    Decoded here: pycocotools reads past the end of a text cut short, and fills what is missing with memory's leftovers.
    """
    if not NUMBERS.fullmatch(text):
        raise ValueError(f"segmentation.counts {shown(text)} are no compressed run lengths")
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        # From the fourth on, each is stated as the difference to the last but one.
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts


def _box(annotation: Mapping[str, Any], label: str) -> Box | None:
    stated = annotation.get("bbox")
    if stated is None or stated == []:
        return None
    if not isinstance(stated, list) or len(stated) != 4:
        raise ValueError(f"bbox is {_length(stated)}, [x, y, width, height] is wanted")
    x, y, width, height = numbers(stated, "bbox")
    return Box(x, y, round(x + width, DIGITS), round(y + height, DIGITS), label)


def _shape(segmentation: object, label: str) -> Shape | None:
    if segmentation is None or segmentation == []:
        return None
    if isinstance(segmentation, dict):
        return _runs(segmentation, label)
    if not isinstance(segmentation, list):
        raise ValueError(f"segmentation is {shown(segmentation)}, polygons or runs are wanted")
    nested = isinstance(segmentation[0], list)
    return Outline(label, tuple(map(_ring, segmentation if nested else [segmentation])))


def _ring(stated: object) -> Points:
    if not isinstance(stated, list) or len(stated) < 6 or len(stated) % 2:
        raise ValueError(f"a polygon is {_length(stated)}, x and y of three points are wanted")
    values = numbers(stated, "a polygon's coordinate")
    return tuple(zip(values[::2], values[1::2], strict=True))


def _runs(stated: Mapping[str, Any], label: str) -> Runs:
    width, height = _runs_size(stated)
    counts = _counts(stated.get("counts"))
    runs = Runs.of_counts(label, counts)
    if sum(counts) != width * height:
        raise ShapeError(
            "runs_out_of_bounds",
            f"{label}: runs of {shown(sum(counts))} pixels for an image of {width} x {height}",
        )
    return runs


def _counts(stated: object) -> list[int]:
    if isinstance(stated, str):
        return counts_of_text(stated)
    if not isinstance(stated, list):
        raise ValueError(f"segmentation.counts is {shown(stated)}, run lengths are wanted")
    numbers(stated, "a run length")
    return [whole(value, "a run length") for value in stated]


def _length(value: object) -> str:
    return f"a list of {len(value)}" if isinstance(value, list) else shown(value)
