"""Schedules for tests, and due moments counted out by looking at the clock on the wall once a minute."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from inspection.store import Store
from pipelines.schedule.book import Book
from pipelines.schedule.places import Places
from pipelines.schedule.plan import Schedule

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SHELL = ("/bin/sh", "-c")


def planned(name: str = "line", **changes: Any) -> Schedule:
    """Every hour on the hour, in UTC, unless changed."""
    stated = {"name": name, "cron": "0 * * * *", "zone": "UTC", "command": ("recipes",)}
    return Schedule.model_validate({**stated, "folder": Path("/"), **changes})


def places_in(folder: Path) -> Places:
    """Of a store in `folder`."""
    return Places(Store(folder / "store"))


def statuses(book: Book, name: str | None = None) -> list[str]:
    """How every firing stands, in the order of their claims."""
    return [firing.status for firing in book.history(10_000, name)]


def ended(process: subprocess.Popen[bytes] | None) -> None:
    """Wait for a keeper."""
    assert process is not None
    assert process.wait(timeout=60) == 0


def wait_until(true: Any, seconds: float = 60.0) -> None:
    """Ask until it is so."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "never came true"
        time.sleep(0.02)


def counted_out(expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """What is due after `start` until `end`, by zoneinfo alone.

    A fixed time is due when the wall clock first shows it or a later one; a rhythm whenever the wall clock shows it.
    """
    minutes, hours, days, months, weekdays = expression.split()
    named = [
        _numbers(minutes, 0, 59),
        _numbers(hours, 0, 23),
        _numbers(days, 1, 31),
        _numbers(months, 1, 12),
        {day % 7 for day in _numbers(weekdays, 0, 7)},
    ]
    both = days.startswith("*") or weekdays.startswith("*")
    rhythm = minutes.startswith("*") or hours.startswith("*")
    moment, found = start - timedelta(hours=30), []
    latest = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    while moment <= end:
        wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        passed = [wall] if rhythm else []
        while not rhythm and latest < wall:
            latest += MINUTE
            passed.append(latest)
        if any(_matches(one, named, both) for one in passed):
            found.append(moment)
        moment += MINUTE
    return [one for one in found if one > start]


def _matches(wall: datetime, named: list[set[int]], both: bool) -> bool:
    minutes, hours, days, months, weekdays = named
    of_month, of_week = wall.day in days, wall.isoweekday() % 7 in weekdays
    day = (of_month and of_week) if both else (of_month or of_week)
    return wall.minute in minutes and wall.hour in hours and wall.month in months and day


def _numbers(text: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        found |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return found
