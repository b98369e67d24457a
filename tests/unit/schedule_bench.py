"""A scheduler whose clock stands where a test puts it, and whose firings are real processes."""

from __future__ import annotations

import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.schedule.book import Book, Firing
from pipelines.schedule.keeper import start_keeper
from pipelines.schedule.loop import Scheduler
from tests.unit.schedule_material import NOON, SHELL, places_in

HOUR = timedelta(hours=1)


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


class Bench:
    """A scheduler on a clock; `script` is what every firing runs, in a shell whose $1 is the schedule's command."""

    def __init__(self, folder: Path, script: str) -> None:
        self.places, self.clock, self.script = places_in(folder), Clock(), script
        self.told: list[str] = []
        self.keepers: list[subprocess.Popen[bytes]] = []

    @property
    def book(self) -> Book:
        return self.places.book

    def start(self, firing: Firing) -> subprocess.Popen[bytes] | None:
        keeper = start_keeper(self.places.store, firing, [*SHELL, self.script, "sh"])
        if keeper is not None:
            self.keepers.append(keeper)
        return keeper

    def scheduler(self) -> Scheduler:
        return Scheduler(self.places, self.start, self.clock, lambda f: self.told.append(f.label))

    def firing(self, name: str = "line") -> Firing:
        (firing,) = self.book.history(1, name)
        return firing


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    return lambda script: Bench(tmp_path, script)
