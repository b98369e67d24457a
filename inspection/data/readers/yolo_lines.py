"""One YOLO label file as objects: a class number and shares of the image's size in every line.

    0 0.5 0.5 0.25 0.1            a box: class, middle x and y, width, height
    1 0.1 0.1 0.4 0.1 0.4 0.3     a polygon: class, then x and y of every corner

Covered: boxes, polygons, byte order marks, CRLF, tabs, blank lines. Not covered: key points, a confidence behind the
box (predictions are no labels), turned boxes (their four corners are read as a polygon).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from inspection.data.readers.base import Box
from inspection.data.readers.drawn import Drawn
from inspection.data.readers.stated import number, shown
from inspection.data.shapes import Outline, ShapeError

TOLERANCE = 1e-6
"""How far a share may leave 0 to 1: files hold six decimals, and middle plus half a width adds their errors."""
CLASS = re.compile(r"\d{1,9}", re.ASCII)
DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
"""What float() also takes is no label file's: nan, inf, 1_000."""


def parse_lines(data: bytes, names: Mapping[int, str]) -> list[Drawn]:
    """The objects in order, in shares; ValueError or ShapeError name the first bad line.

    Without names, the class numbers themselves are the names.
    """
    drawn = []
    for position, line in enumerate(data.decode("utf-8-sig").splitlines(), start=1):
        try:
            drawn += [_object(line.split(), names)] if line.strip() else []
        except ShapeError as error:
            raise ShapeError(error.code, f"line {position}: {error}") from error
        except ValueError as error:
            raise ValueError(f"line {position}: {error}") from error
    return drawn


def _object(fields: list[str], names: Mapping[int, str]) -> Drawn:
    label = _label(fields[0], names)
    values = [_share(text) for text in fields[1:]]
    if len(values) == 4:
        return Drawn(label, box=_box(values, label))
    if len(values) < 6 or len(values) % 2:
        raise ValueError(
            f"{len(values)} numbers behind the class are neither a box (4) "
            "nor a polygon (an even count from 6)"
        )
    if any(_clipped(value) is None for value in values):
        raise ShapeError("shape_out_of_bounds", f"a polygon of {label} leaves 0 to 1")
    inside = [min(max(value, 0.0), 1.0) for value in values]
    return Drawn(label, shape=Outline(label, (tuple(zip(inside[::2], inside[1::2], strict=True)),)))


def _label(text: str, names: Mapping[int, str]) -> str:
    if not CLASS.fullmatch(text):
        raise ValueError(f"class {shown(text)} is not a whole number from 0")
    if not names:
        return str(int(text))
    if int(text) not in names:
        known = ", ".join(f"{key} {name}" for key, name in sorted(names.items())[:10])
        raise ValueError(f"class {int(text)} has no name; there are {known}")
    return names[int(text)]


def _share(text: str) -> float:
    if not DECIMAL.fullmatch(text):
        remedy = ", write it with a point" if "," in text else ""
        raise ValueError(f"{shown(text)} is not a number{remedy}")
    return number(float(text), "a share")


def _box(values: list[float], label: str) -> Box:
    x, y, width, height = values
    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    x0, y0, x1, y1 = (_clipped(corner) for corner in corners)
    if x0 is None or y0 is None or x1 is None or y1 is None:
        spelt = ", ".join(f"{corner:g}" for corner in corners)
        raise ShapeError("box_out_of_bounds", f"a box of {label} ({spelt}) leaves 0 to 1")
    if x0 >= x1 or y0 >= y1:
        raise ShapeError("box_degenerate", f"a box of {label} has no area")
    return Box(x0, y0, x1, y1, label)


def _clipped(share: float) -> float | None:
    """Within 0 to 1, or None when it is further out than rounding explains."""
    if not -TOLERANCE <= share <= 1 + TOLERANCE:
        return None
    return min(max(share, 0.0), 1.0)
