"""The scheduler: what is due is claimed, what is claimed is started, what was killed is written down; then it sleeps.

Nothing is remembered between two rounds that the book does not hold, so a scheduler can be killed at any moment and
started again, or stand beside another. Clock, sleep and the start of keepers are arguments.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from pipelines.faults import sentence_of
from pipelines.schedule.book import Firing
from pipelines.schedule.places import Places

EVERY_S = 2.0
"""Between rounds: a due time is fired at most so much late."""
LOST = "its keeper was killed while the command ran; how far that came is unknown"


class Process(Protocol):
    """A keeper that was started."""

    def poll(self) -> int | None:
        """None while it lives."""


class Scheduler:
    """`start` begins a keeper for a firing, unless its lock is taken; `told` hears of firings that lost theirs."""

    def __init__(
        self,
        places: Places,
        start: Callable[[Firing], Process | None],
        now: Callable[[], datetime],
        told: Callable[[Firing], None],
    ) -> None:
        self.places, self.start, self.now, self.told = places, start, now, told
        self.book = places.book
        # Kept so that those that ended are buried; nothing is decided by it.
        self._keepers: list[Process] = []

    def round(self) -> int:
        """Write down what was killed, claim what is due, start what may run; how many keepers were started."""
        self._settle()
        for entry in self.book.entries():
            if not entry.paused:
                self.book.claim(entry, self.now())
        return self._start_waiting()

    def _settle(self) -> None:
        for firing in self.book.open_firings():
            # Asked before alive, `running` was written under the lock that `alive` looks for.
            lost = firing.status == "running" and not self.places.alive(firing)
            if lost and self.book.finish(firing, "killed", LOST, None, None):
                self.told(self.book.firing(firing.id))

    def _start_waiting(self) -> int:
        self._keepers = [one for one in self._keepers if one.poll() is None]
        before = len(self._keepers)
        for firing in self.book.open_firings():
            if firing.status == "claimed" and (keeper := self.start(firing)) is not None:
                self._keepers.append(keeper)
        return len(self._keepers) - before


def serve(scheduler: Scheduler, sleep: Callable[[float], None], say: Callable[[str], None]) -> None:
    """Rounds without end; a disk that is full is told once, and due times wait until it takes claims again."""
    trouble = ""
    while True:
        try:
            scheduler.round()
            if trouble:
                say("the store can be written again: what was due meanwhile is claimed now")
            trouble = ""
        except (OSError, sqlite3.Error) as error:
            if (sentence := sentence_of(error)) != trouble:
                say(f"the store cannot be written ({sentence}): due times wait; free some space")
            trouble = sentence
        sleep(EVERY_S)
