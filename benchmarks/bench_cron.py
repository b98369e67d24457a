"""Cron libraries around changes of the clocks, against a count of the wall clock minute by minute: who is right?

Ninety cases (ten expressions around nine changes). `plumbline` is ours; the others are asked for their next moments one
after another, as a scheduler would, if they are installed (APScheduler and croniter are not dependencies). A case that
does not come to an end within five seconds counts as an endless loop.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any
from zoneinfo import ZoneInfo

from machine import write_result

from pipelines.schedule.cron import cron_of
from tests.unit.schedule_material import counted_out
from tests.unit.test_schedule_cron import CHANGES, EXPRESSIONS

Ask = Callable[[str, str, datetime, datetime], list[datetime]]
LONGEST_S = 5


def ours(expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    return [due.at for due in cron_of(expression, zone).between(start, end)]


def cronsim(expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    from cronsim import CronSim

    return until(end, CronSim(expression, start.astimezone(ZoneInfo(zone))).__next__)


def croniter(expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    from croniter import croniter as library

    times = library(expression, start.astimezone(ZoneInfo(zone)))
    return until(end, lambda: times.get_next(datetime))


def apscheduler(expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    from apscheduler.triggers.cron import CronTrigger

    trigger, place = CronTrigger.from_crontab(expression, ZoneInfo(zone)), ZoneInfo(zone)
    last: list[Any] = [None]

    def following() -> datetime:
        # As its scheduler asks: with the last moment fired, and a clock that has just passed it.
        now = start if last[0] is None else last[0].astimezone(UTC) + timedelta(seconds=1)
        last[0] = trigger.get_next_fire_time(last[0], now.astimezone(place))
        return last[0]  # type: ignore[no-any-return]

    return until(end, following)


def until(end: datetime, following: Callable[[], datetime]) -> list[datetime]:
    """Moments one after another, as UTC."""
    found: list[datetime] = []
    while (moment := following().astimezone(UTC)) <= end:
        found.append(moment)
    return found


def judged(ask: Ask) -> dict[str, Any]:
    """How often a library is right, and the first moments it loses, adds, or repeats."""
    tally = {"right": 0, "lost": 0, "added": 0, "repeated_or_out_of_order": 0, "endless": 0}
    wrong: list[str] = []
    for zone, day in CHANGES:
        start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=30)
        end = start + timedelta(days=2, hours=12)
        for expression in EXPRESSIONS:
            true = counted_out(expression, zone, start, end)
            signal.alarm(LONGEST_S)
            try:
                said = ask(expression, zone, start, end)
            except TimeoutError:
                tally["endless"] += 1
                wrong.append(f"{expression} | {zone} {day}")
                continue
            finally:
                signal.alarm(0)
            said = [moment for moment in said if moment > start]
            tally["right"] += said == true
            tally["lost"] += bool(set(true) - set(said))
            tally["added"] += bool(set(said) - set(true))
            tally["repeated_or_out_of_order"] += said != sorted(set(said))
            if said != true:
                wrong.append(f"{expression} | {zone} {day}")
    return {**tally, "wrong_cases": wrong}


def too_long(*_: object) -> None:
    raise TimeoutError


def main() -> None:
    """Every library that is installed."""
    signal.signal(signal.SIGALRM, too_long)
    libraries: dict[str, Ask] = {
        "cronsim": cronsim,
        "croniter": croniter,
        "apscheduler": apscheduler,
    }
    found: dict[str, Any] = {"plumbline": judged(ours)}
    for name, ask in libraries.items():
        if find_spec(name):
            found[name] = {"version": version(name), **judged(ask)}
    write_result("cron", {"cases": len(CHANGES) * len(EXPRESSIONS), "libraries": found})


if __name__ == "__main__":
    main()
