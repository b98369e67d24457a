"""A schedule as its owner states it, and what its policy makes of due times that nobody fired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from inspection.durations import Duration, seconds_of
from inspection.strict import Strict, spelled
from pipelines.schedule.cron import Cron, Due, cron_of

MOST_LATE = 1000
Name = Annotated[
    str,
    spelled(
        "[A-Za-z0-9][A-Za-z0-9_.-]{0,39}",
        "write up to 40 letters a to z, digits, '_', '.' and '-', a letter or digit first, such as 'night-shift'",
    ),
]
Missed = Literal["one", "all", "skip"]
OnKill = Literal["report", "retry"]


class Schedule(Strict):
    """What runs when; `command` is what follows `plumbline` on a command line, `folder` where it is typed."""

    name: Name
    cron: str
    zone: str
    command: tuple[str, ...]
    folder: Path
    missed: Missed = "one"
    limit: Annotated[int, Field(ge=1, le=MOST_LATE)] = 24
    grace: Duration = "5m"
    lock: Name = "default"
    on_kill: OnKill = "report"

    @property
    def times(self) -> Cron:
        """Its expression in its zone."""
        return cron_of(self.cron, self.zone)


@dataclass(frozen=True)
class Chosen:
    """Of due times that have passed: which fire, oldest first, and which are given up."""

    fire: Sequence[Due]
    skip: Sequence[Due]


def choose(schedule: Schedule, passed: Sequence[Due], now: datetime) -> Chosen:
    """`one`: the latest for all of them; `all`: the latest `limit`; `skip`: those within `grace` of now."""
    if schedule.missed == "skip":
        oldest = now - timedelta(seconds=seconds_of(schedule.grace))
        given_up = sum(due.at < oldest for due in passed)
    else:
        given_up = len(passed) - (1 if schedule.missed == "one" else schedule.limit)
    given_up = max(0, given_up)
    return Chosen(passed[given_up:], passed[:given_up])
