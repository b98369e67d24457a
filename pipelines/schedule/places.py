"""Where a store keeps its schedules, and the locks that the kernel takes back when their holders die."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inspection.store import Store
from pipelines.schedule.book import Book, Firing


@dataclass(frozen=True)
class Places:
    """Files of the scheduler in one store."""

    store: Store

    @property
    def folder(self) -> Path:
        """The book, logs and locks."""
        return self.store.root / "schedule"

    @property
    def book(self) -> Book:
        """Schedules and firings."""
        return Book(self.folder / "schedule.db")

    @property
    def at_work(self) -> Path:
        """Held, shared, by every scheduler that runs."""
        return self.folder / "at_work.lock"

    def log(self, firing: Firing) -> Path:
        """What the command of `firing` said; locked while its keeper or the command itself lives."""
        return self.folder / "logs" / firing.schedule.name / f"{firing.id}.log"

    def lock(self, firing: Firing) -> Path:
        """Held while a command of its lock group lives."""
        return self.folder / "locks" / f"{firing.schedule.lock}.lock"

    def alive(self, firing: Firing) -> bool:
        """Whether its keeper, or the command that outlived it, still runs."""
        return held(self.log(firing))


@contextlib.contextmanager
def taken(path: Path, kind: int) -> Iterator[int | None]:
    """A descriptor of `path` (opened to append) under a lock of `kind`; None when others hold it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        yield descriptor if _locked(descriptor, kind) else None
    finally:
        # Closed, not unlocked: a child that inherited it goes on holding it.
        os.close(descriptor)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def held(path: Path) -> bool:
    """Whether any living process holds a lock on `path`."""
    if not path.exists():
        return False
    with taken(path, fcntl.LOCK_EX) as descriptor:
        return descriptor is None
