"""The scheduler: what is due is claimed, what is claimed is started, what was killed is written down; then it sleeps.

Nothing is remembered between two rounds that the book does not hold, so a scheduler can be killed at any moment and
started again, or stand beside another. Clock, sleep and the start of keepers are arguments.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from pipelines.faults import sentence_of
from pipelines.schedule.book import Firing
from pipelines.schedule.places import Places

EVERY_S = 2.0
"""Between rounds: a due time is fired at most so much late."""
TOLD_OF = timedelta(days=1)
"""How old a due time's giving up may be and is still told."""
LOST = "its keeper was killed while the command ran; how far that came is unknown"


class Process(Protocol):
    """A keeper that was started."""

    def poll(self) -> int | None:
        """None while it lives."""


class Scheduler:
    """`start` begins a keeper for a firing, unless its lock is taken.

    `told` hears of firings that lost theirs, and of due times that were given up: once, or after a kill again.
    """

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
        # So that a round does not tell what the last one told; what others told, `told` has to know.
        self._heard: set[int] = set()

    def round(self) -> int:
        """Write down what was killed, claim what is due, start what may run; how many keepers were started."""
        self._settle()
        entries = [entry for entry in self.book.entries() if not entry.paused]
        settled = sum(self.book.claim(entry, self.now()) for entry in entries)
        started = self._start_waiting()
        if settled:
            self._tell_given_up()
        return started

    def _settle(self) -> None:
        for firing in self.book.open_firings():
            # Asked before alive, `running` was written under the lock that `alive` looks for.
            lost = firing.status == "running" and not self.places.alive(firing)
            if lost and self.book.finish(firing, "killed", LOST, None, None):
                self.told(self.book.firing(firing.id))

    def _tell_given_up(self) -> None:
        # After the start, so that a slow mail server makes nothing late; of a day, for a scheduler killed before this.
        given_up = self.book.given_up(self.now() - TOLD_OF)
        for firing in given_up:
            if firing.id not in self._heard:
                self.told(firing)
        self._heard = {firing.id for firing in given_up}

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
