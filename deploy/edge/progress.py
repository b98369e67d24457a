"""How far a long batch is and how long it will take, on stderr and only when a person watches."""

from __future__ import annotations

import sys
import time
from typing import Self

INTERVAL = 0.5
"""Seconds between two lines; short batches print none."""


class Progress:
    """Counts towards `total` and rewrites one line."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._start = self._shown = time.monotonic()
        self._visible = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._visible:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def advance(self) -> None:
        """One more is done."""
        self.done += 1
        now = time.monotonic()
        if self._visible and now - self._shown >= INTERVAL:
            self._shown = now
            print(f"\r\033[K{self.line(now)}", end="", file=sys.stderr, flush=True)

    def line(self, now: float) -> str:
        """'120/1000, 85/s, 10 s left'."""
        rate = self.done / max(now - self._start, 1e-9)
        left = (self.total - self.done) / rate if rate else 0.0
        return f"{self.done}/{self.total}, {rate:.0f}/s, {left:.0f} s left"
