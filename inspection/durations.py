"""Durations as people write them in a config (`90s`, `20m`, `1h30m`) and as they are told back."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

FORM = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
LONGEST = 30 * 24 * 3600
"""Seconds; beyond a month a budget is a typing error."""


def seconds_of(text: str) -> int:
    """Seconds of `text`; ValueError with one sentence for anything that is no positive duration."""
    found = FORM.fullmatch(text.strip())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if not 0 < total <= LONGEST:
        raise ValueError(
            "write a duration of up to 30 days with its units, such as 90s, 20m or 1h30m"
        )
    return total


def spoken(seconds: float) -> str:
    """`42 s`, `18 min`, `1 h 05 min`; to the second below two minutes, to the minute above."""
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def _checked(value: object) -> str:
    """As written, when it is a duration; a bare number has no unit, so it is none."""
    text = str(value)
    try:
        seconds_of(text)
    except ValueError as error:
        raise PydanticCustomError("duration", "{said}", {"said": str(error)}) from error
    return text


Duration = Annotated[str, BeforeValidator(_checked)]
"""A field of a config; `seconds_of` reads it."""
