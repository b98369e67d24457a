"""When a cron expression in a time zone is due, every moment once, through every change of the clocks.

Covered: a fixed time that the clocks skip is due when they go forward; a fixed time that comes twice is due the first
time; an expression whose minute or hour begins with `*` follows real time: what is skipped is not due, what comes twice
is due twice (all as Debian's cron does). Not covered: seconds, `@daily` and the like; clocks that went back by more
than three hours at once (before 1900).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from inspection.data.readers.stated import shown
from inspection.errors import MissingExtra, UserError
from pipelines.settings import nearest

FARTHEST_BACK = timedelta(hours=3)
"""No clock goes back by more; two moments farther apart are in the order of what the clocks show."""
EXAMPLE = "minute, hour, day, month, weekday, such as '30 2 * * 1-5'"
STEPS = (
    (
        "minute",
        59,
        "an hour",
        "for every two hours write '0 */2 * * *'; for every 90 minutes two schedules, "
        "'0 */3 * * *' and '30 1-23/3 * * *'",
    ),
    ("hour", 23, "a day", "for every second day write '0 2 */2 * *'"),
    ("day", 30, "a month", "for every second month write '0 2 1 */2 *'"),
    ("month", 11, "a year", "name the month, such as '0 2 1 1 *'"),
    (
        "weekday",
        6,
        "a week",
        "name the day, such as '0 2 * * 1', or two days of the month: '0 2 1,15 * *'",
    ),
)
"""Of each field: the largest step that has an effect, after what the count starts anew, and how to write the wish."""


@dataclass(frozen=True, order=True)
class Due:
    """A moment (UTC) to fire at; `note` says what a change of the clocks did to it."""

    at: datetime
    note: str = field(default="", compare=False)


@dataclass(frozen=True)
class Cron:
    """A checked expression; `follows_time` is Debian's distinction for changes of the clocks."""

    expression: str
    zone: ZoneInfo

    @property
    def follows_time(self) -> bool:
        """Whether it means a rhythm (`*/15 * * * *`) rather than times of day (`30 2 * * *`)."""
        return any(part.startswith("*") for part in self.expression.split()[:2])

    def after(self, moment: datetime) -> Iterator[Due]:
        """Every due moment later than `moment`, in order, for ever."""
        from cronsim import CronSim

        waiting: list[Due] = []
        last = moment.astimezone(UTC)
        for wall in CronSim(self.expression, self._wall(last) - FARTHEST_BACK):
            certain = self._first(wall) - FARTHEST_BACK
            while waiting and waiting[0].at < certain:
                due = heapq.heappop(waiting)
                if due.at > last:
                    last = due.at
                    yield due
            for due in self._moments(wall):
                heapq.heappush(waiting, due)

    def between(self, start: datetime, end: datetime) -> list[Due]:
        """Every due moment later than `start` and not later than `end`."""
        return list(takewhile(lambda due: due.at <= end, self.after(start)))

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None)

    def _first(self, wall: datetime) -> datetime:
        return wall.replace(tzinfo=self.zone).astimezone(UTC)

    def _moments(self, wall: datetime) -> list[Due]:
        """When the clocks show `wall`: once, twice, or never (then, of a fixed time, when they go forward)."""
        first = self._first(wall)
        second = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        if first == second:
            return [Due(first)]
        shown_then = f"{wall:%H:%M}"
        if self._wall(first) == wall:
            if not self.follows_time:
                return [Due(first, f"{shown_then} comes twice: fires the first time")]
            return [Due(first, f"{shown_then}, the first"), Due(second, f"{shown_then}, again")]
        if self.follows_time:
            return []
        note = f"{shown_then} is skipped: fires when the clocks go forward"
        return [Due(self._change(second, first), note)]

    def _change(self, before: datetime, after: datetime) -> datetime:
        """The moment between the two at which the clocks change, to the second."""
        offset = before.astimezone(self.zone).utcoffset()
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before).total_seconds() // 2)
            if middle.astimezone(self.zone).utcoffset() == offset:
                before = middle
            else:
                after = middle
        return after


def cron_of(expression: str, zone: str) -> Cron:
    """The expression, checked; UserError with one sentence for a wrong one or an unknown zone."""
    return Cron(_checked(expression), zone_of(zone))


def check_steps(expression: str) -> None:
    """UserError for a step longer than its field: cron starts to count anew with every hour, day, month, year, week.

    Asked of new schedules alone, so that no scheduler stands still for an old one.
    """
    for part, (field_name, longest, anew, remedy) in zip(expression.split(), STEPS, strict=True):
        for step in re.findall(r"/(\d+)", part):
            if int(step) > longest:
                raise UserError(
                    f"cron {shown(expression)}: {field_name} step {step} is longer than {anew}, with which cron "
                    f"counts anew, so it would be due once {anew}; {remedy}"
                )


def zone_of(name: str) -> ZoneInfo:
    """An IANA time zone by its name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: `Europe` is a folder
        known = sorted(available_timezones())
        raise UserError(f"unknown time zone {shown(name)}{nearest(name, known)}") from error


def _checked(expression: str) -> str:
    try:
        from cronsim import CronSim, CronSimError
    except ImportError as error:
        raise MissingExtra("pipeline", "plumbline schedule") from error
    parts = expression.split()
    if len(parts) != 5:
        raise UserError(f"cron {shown(expression)}: has {len(parts)} fields, give five: {EXAMPLE}")
    try:
        next(CronSim(expression, datetime(2000, 1, 1)))
    except CronSimError as error:
        fault = str(error).lower().removeprefix("bad ")
        raise UserError(f"cron {shown(expression)}: wrong {fault}; give {EXAMPLE}") from error
    except StopIteration:
        raise UserError(f"cron {shown(expression)}: names a day that never comes") from None
    return " ".join(parts)
