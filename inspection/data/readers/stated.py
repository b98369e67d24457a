"""Values as an annotation file states them, checked before anybody counts with them.

Covered: numbers (finite, no larger than any image), whole numbers, class names, one short line of any value for a
message. Not covered: what the numbers mean; readers decide that.
"""

from __future__ import annotations

import math
from typing import Any

LARGEST = 1e9
"""No image is as wide, and nothing computed from two such numbers overflows."""
MAX_SHOWN = 60
MAX_NAME = 200
MAX_SAID = 300
MAX_BITS = 200
"""Longer whole numbers are not spelt out: Python refuses to beyond some thousand digits."""


def shown(value: object) -> str:
    """The value in one short line; a container by its kind alone, because YAML's can hold themselves."""
    if isinstance(value, str):
        text = value if value.isprintable() else ascii(value)[1:-1]
        return f"'{text[:MAX_SHOWN]}…'" if len(text) > MAX_SHOWN else f"'{text}'"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > MAX_BITS:
        return "a huge number"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        return "an object"
    return f"a {type(value).__name__}"


def one_line(said: object) -> str:
    """What a library says of a fault, on one line that any terminal and table can hold."""
    text = " ".join(str(said).split())
    text = text if text.isprintable() else ascii(text)[1:-1]
    return f"{text[:MAX_SAID]}…" if len(text) > MAX_SAID else text


def number(value: object, what: str) -> float:
    """A finite number that an image can hold; ValueError says what else it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} is {shown(value)}, not a number")
    # Compared first: a whole number of 400 digits has no float.
    if value != value or abs(value) == math.inf:
        raise ValueError(f"{what} is {shown(value)}, not a finite number")
    if abs(value) > LARGEST:
        raise ValueError(f"{what} is {shown(value)}, larger than any image")
    return float(value)


def numbers(values: list[Any], what: str) -> list[float]:
    """`number` of each; a large data set has millions, so all at once where nothing is wrong."""
    # NaN fails every comparison.
    if all(type(v) in (int, float) and -LARGEST <= v <= LARGEST for v in values):
        return [float(value) for value in values]
    return [number(value, what) for value in values]


def whole(value: object, what: str) -> int:
    """A whole number of any size, 3 and not 3.0 or '3'; ValueError says what else it is."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{what} is {shown(value)}, not a whole number")
    return value


def class_name(value: object, what: str) -> str:
    """A class's name: printable text (tables hold no half characters), without blanks around it."""
    if not isinstance(value, str):
        raise ValueError(f"{what} is {shown(value)}, not text: put the name in quotes")
    if not value.strip() or not value.strip().isprintable():
        raise ValueError(f"{what} is {shown(value)}, not a name that can be printed")
    if len(value.strip()) > MAX_NAME:
        raise ValueError(f"{what} has {len(value.strip())} characters, the limit is {MAX_NAME}")
    return value.strip()
