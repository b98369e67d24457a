"""The base of every config section, and what several of them say."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Strict(BaseModel):
    """Base of every config section: frozen, no unknown keys, no silent coercion of text to numbers."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )


SECRET = "secret"
"""Type of the error of a value that must not be repeated, where others could read it."""


def spelled(pattern: str, words: str, *, secret: bool = False) -> AfterValidator:
    """A check that a text is `pattern` from end to end; `words` say so to people, with an example."""
    whole = re.compile(pattern)

    def check(text: str) -> str:
        if whole.fullmatch(text) is None:
            raise PydanticCustomError(SECRET if secret else "spelling", "{words}", {"words": words})
        return text

    return AfterValidator(check)
