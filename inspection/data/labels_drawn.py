"""Names written into pictures, on a plate of their class's colour, where they do not hide each other.

Covered: names stay inside the picture and above one another where there is room. Not covered: so many names that no
room is left; later ones then lie over earlier ones.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from deploy.edge.decode import Pixels
from inspection.data.class_colours import Colour

LETTERS_IN_PICTURE = 45
"""A letter's height is this part of the longer side."""
SMALLEST = 15
"""Pixels; below it names cannot be read."""
ELLIPSIS = "…"

Plate = tuple[int, int, int, int]


@dataclass(frozen=True)
class Tag:
    """A name for what spans `top` to `bottom` and begins at `x`."""

    name: str
    x: int
    top: int
    bottom: int
    colour: Colour


def write_tags(canvas: Pixels, tags: Sequence[Tag]) -> Pixels:
    """A copy of RGB `canvas` with the names written on it."""
    if not tags:
        return canvas
    height, width = canvas.shape[:2]
    font = _font(max(SMALLEST, round(max(height, width) / LETTERS_IN_PICTURE)))
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    taken: list[Plate] = []
    for tag in sorted(tags, key=lambda tag: (tag.top, tag.x, tag.name)):
        words = _fitted(_visible(tag.name), font, width)
        plate = _place(tag, words, font, (height, width), taken)
        taken.append(plate)
        pen.rectangle(plate, fill=tag.colour, outline=(0, 0, 0))
        pad = max(2, round(font.size / 6))
        pen.text((plate[0] + pad, plate[1] + pad), words, font=font, fill=_ink(tag.colour))
    return np.array(picture, dtype=np.uint8)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # matplotlib brings the one font file that every installation has.
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
    return ImageFont.truetype(str(path), size)


def _visible(name: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name) or "?"


def _fitted(name: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """As many letters as fit across the picture."""
    room = width - 2 * max(2, round(font.size / 6)) - 1
    if font.getlength(name) <= room:
        return name
    kept = name
    while kept and font.getlength(kept + ELLIPSIS) > room:
        kept = kept[:-1]
    return kept + ELLIPSIS


def _place(
    tag: Tag,
    words: str,
    font: ImageFont.FreeTypeFont,
    shape: tuple[int, int],
    taken: Sequence[Plate],
) -> Plate:
    """Above what it names, else below, else inside at the top: the first of them that is free."""
    pad = max(2, round(font.size / 6))
    ascent, descent = font.getmetrics()
    across, tall = round(font.getlength(words)) + 2 * pad, ascent + descent + 2 * pad
    x = max(0, min(tag.x, shape[1] - across - 1))
    rows = [tag.top - tall, tag.bottom, tag.top, *range(tag.top + tall, shape[0] - tall, tall)]
    inside = [y for y in rows if 0 <= y <= shape[0] - tall - 1]
    plates = [(x, y, x + across, y + tall) for y in inside] or [(x, 0, x + across, tall)]
    return next((plate for plate in plates if not any(_meet(plate, t) for t in taken)), plates[0])


def _meet(a: Plate, b: Plate) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _ink(colour: Colour) -> Colour:
    red, green, blue = colour
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else (255, 255, 255)
