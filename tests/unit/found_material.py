"""How a parser refuses what fuzzing found: in one short line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inspection.errors import ConfigError, DataError
from tests.fuzz.targets import check_lines, lines_of

LINE_END = "a\u2028b"


def refused(read: Callable[[], object], words: str) -> None:
    """One short line per fault, with these words."""
    with pytest.raises((DataError, ConfigError)) as caught:
        read()
    assert words in str(caught.value)
    check_lines(lines_of(caught.value), "a message")
