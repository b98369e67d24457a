"""The objects drawn on one image, and what they say of its label.

Covered: boxes, shapes, or both for one object; the class with the largest total area. Not covered: overlaps (each
object counts in full).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from inspection.data.readers.base import Box
from inspection.data.readers.stated import one_line
from inspection.data.shapes import Outline, Points, Shape


@dataclass(frozen=True)
class Drawn:
    """One annotated object; `shape`, where there is one, says more than `box`."""

    label: str
    box: Box | None = None
    shape: Shape | None = None

    @property
    def area(self) -> float:
        """Of the shape, else of the box, in the annotation's own unit."""
        if isinstance(self.shape, Outline):
            return sum(_ring_area(ring) for ring in self.shape.rings)
        if self.shape is not None:
            return float(sum(self.shape.lengths))
        return self.box.area if self.box else 0.0


def _ring_area(ring: Points) -> float:
    # Plain Python: for rings of some ten points NumPy takes three times as long.
    ends = zip(ring, (*ring[1:], ring[0]), strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in ends)) / 2


def boxes_in(drawn: Sequence[Drawn]) -> tuple[Box, ...]:
    """The boxes, in order."""
    return tuple(each.box for each in drawn if each.box is not None)


def shapes_in(drawn: Sequence[Drawn]) -> tuple[Shape, ...]:
    """The shapes, in order."""
    return tuple(each.shape for each in drawn if each.shape is not None)


def main_class(drawn: Sequence[Drawn]) -> str | None:
    """The class with the largest total area; the first by name when equal, None without objects."""
    areas: dict[str, float] = defaultdict(float)
    for each in drawn:
        areas[each.label] += each.area
    return max(sorted(areas), key=areas.__getitem__, default=None)


def label_source(drawn: Sequence[Drawn]) -> str:
    """The rule behind `main_class`, or behind `data.ok_class` where nothing is drawn."""
    if not drawn:
        return "no_boxes"
    return "shape" if shapes_in(drawn) else "box"


def strangers(drawn: Sequence[Drawn], label: str | None) -> tuple[str, ...]:
    """The warning that objects of other classes than the image's label are drawn, or nothing."""
    others = sorted({each.label for each in drawn} - {label})
    if label is None or not others:
        return ()
    return (
        f"box_label_differs: labelled {one_line(label)}, holds boxes of {one_line(', '.join(others))}",
    )
