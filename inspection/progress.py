"""Long work shows how far it is: a bar with an ETA on a terminal, a line now and then in a log. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 10.0
"""In a log, nobody wants more."""

Advance = Callable[[str], None]
"""Call once per finished unit; the text replaces what is shown beside the bar."""


def track(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """Yield `items`, showing progress towards `total`."""
    with bar(description, total) as advance:
        for item in items:
            yield item
            advance("")


@contextmanager
def bar(description: str, total: int) -> Iterator[Advance]:
    """Progress for work that is not a loop over items."""
    if sys.stderr.isatty():
        with _terminal_bar(description, total) as advance:
            yield advance
    else:
        yield _log_lines(description, total)


@contextmanager
def _terminal_bar(description: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, note="")
        yield lambda note: progress.update(task, advance=1, note=note)


def _log_lines(description: str, total: int) -> Advance:
    started = time.monotonic()
    state = {"done": 0, "spoke": started}

    def advance(note: str) -> None:
        state["done"] += 1
        now = time.monotonic()
        if now - state["spoke"] < SECONDS_BETWEEN_LINES:
            return
        state["spoke"] = now
        left = (now - started) / state["done"] * (total - state["done"])
        text = f"{description}: {state['done']:.0f}/{total}, eta {left:.0f} s {note}"
        print(text.rstrip(), file=sys.stderr, flush=True)

    return advance
