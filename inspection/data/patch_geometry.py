"""Squares around defects: where they lie, what they hold, and how boxes and pixels move into them.

Covered: a square never leaves an image that is large enough for it, and holds its box whole; a smaller image is
mirrored at its edges. Not covered: boxes of what the mirror repeats (pixels and regions are mirrored, boxes are not).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.decode import Pixels
from inspection.data.readers.base import Box
from inspection.data.shapes import Mask

Kind = TypeVar("Kind", bound=np.generic)
Shape = tuple[int, int]
"""Height and width."""
SLACK = 1e-9
"""A side of 30 * 1.1 is 33 pixels, whatever binary fractions make of it."""


@dataclass(frozen=True)
class Window:
    """A square of `side` pixels whose upper left pixel is (x, y) of its image."""

    x: int
    y: int
    side: int

    def leaves(self, shape: Shape) -> bool:
        """Whether a part of it is mirrored."""
        height, width = shape
        inside = self.x + self.side <= width and self.y + self.side <= height
        return not inside or self.x < 0 or self.y < 0


def window_around(box: Box, shape: Shape, *, context: float, min_side: int) -> Window:
    """The square that shows `box` and `context` times its longer side more, moved inward at the image's edges.

    Context gives way before anything is mirrored: it never makes the square larger than the image's shorter side.
    """
    x0, y0, x1, y1 = whole(box, shape)
    longer = max(x1 - x0, y1 - y0)
    wished = math.ceil(longer * (1 + context) - SLACK)
    side = max(min_side, longer, min(wished, *shape))
    return Window(start(x0 + x1, shape[1], side), start(y0 + y1, shape[0], side), side)


def start(doubled_middle: int, length: int, side: int) -> int:
    """First of `side` pixels around half of `doubled_middle`, moved inside `length` pixels or centred on fewer."""
    if side >= length:
        return -((side - length) // 2)
    return min(max((doubled_middle - side) // 2, 0), length - side)


def whole(box: Box, shape: Shape) -> tuple[int, int, int, int]:
    """The pixels that a box touches inside its image; at least one."""
    height, width = shape
    x0 = min(max(math.floor(box.x0), 0), width - 1)
    y0 = min(max(math.floor(box.y0), 0), height - 1)
    return (
        x0,
        y0,
        max(x0 + 1, min(math.ceil(box.x1), width)),
        max(y0 + 1, min(math.ceil(box.y1), height)),
    )


def cropped(pixels: npt.NDArray[Kind], window: Window) -> npt.NDArray[Kind]:
    """(side, side, ...) of an image or a mask, mirrored where the window leaves it."""
    height, width = pixels.shape[:2]
    x, y, side = window.x, window.y, window.side
    inside = pixels[max(y, 0) : min(y + side, height), max(x, 0) : min(x + side, width)]
    if not window.leaves((height, width)):
        return inside
    beyond = [(max(-y, 0), max(y + side - height, 0)), (max(-x, 0), max(x + side - width, 0))]
    beyond += [(0, 0)] * (pixels.ndim - 2)
    return np.pad(inside, beyond, mode="reflect")


def resized(pixels: Pixels, size: int) -> Pixels:
    """A square picture at `size` x `size`: averaged when it shrinks, interpolated when it grows."""
    way = cv2.INTER_AREA if pixels.shape[0] > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=way), np.uint8)


def resized_mask(mask: Mask, size: int) -> Mask:
    """A square mask at `size` x `size`; what is too thin for half a pixel keeps every pixel that it touches."""
    if mask.shape[0] <= size:
        grown = cv2.resize(mask.astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST)
        return np.asarray(grown > 0)
    share: npt.NDArray[Any] = cv2.resize(
        mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA
    )
    half = share >= 0.5
    return half if half.any() else share > 0


def moved(box: Box, window: Window, size: int) -> Box | None:
    """The part of a box inside the window, in pixels of the patch at `size`; None when they do not meet."""
    scale = size / window.side
    x0, x1 = (min(max(x - window.x, 0.0), window.side) * scale for x in (box.x0, box.x1))
    y0, y1 = (min(max(y - window.y, 0.0), window.side) * scale for y in (box.y0, box.y1))
    found = Box(x0, y0, x1, y1, box.label)
    return found if found.area > 0 else None


def free_window(
    shape: Shape, side: int, taken: Iterable[tuple[int, int, int, int]], random: np.random.Generator
) -> Window | None:
    """A random window that touches none of the boxes `taken`; None when there is no room."""
    height, width = shape
    if side > min(height, width):
        return None
    blocked = np.zeros((height, width), np.uint8)
    for x0, y0, x1, y1 in taken:
        blocked[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = 1
    sums = cv2.integral(blocked)
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    stride = max(1, side // 16)  # positions between these look the same, and memory is finite
    places = np.argwhere(inside[::stride, ::stride] == 0)
    if not len(places):
        return None
    y, x = places[int(random.integers(len(places)))] * stride
    return Window(int(x), int(y), side)
