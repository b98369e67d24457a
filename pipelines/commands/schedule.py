"""`plumbline schedule`: schedules entered, changed, rehearsed, and what became of their firings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shlex import join
from typing import Any

from pydantic import ValidationError

from inspection.durations import spoken
from inspection.errors import ConfigError, UserError
from pipelines.door import faults_of
from pipelines.output import Answer, Table
from pipelines.schedule.book import Entry, Firing
from pipelines.schedule.commands import check_command
from pipelines.schedule.cron import Due, check_steps, zone_of
from pipelines.schedule.places import Places, held
from pipelines.schedule.plan import Schedule
from pipelines.settings import Settings, make_store

LONGEST = timedelta(days=3660)
"""Of a rehearsal: ten years."""
START = "plumbline schedule start"


def add_schedule(stated: Mapping[str, Any], root: Any, settings: Settings, now: datetime) -> Answer:
    """A schedule in the book, after its command has been checked in this folder."""
    schedule = _stated(stated)
    check_command(root, schedule.command, settings.variables)
    make_store(settings)
    Places(settings.store).book.add(schedule, now)
    following = _next_dues(schedule, now, 3)
    return Answer(
        document={**_document(schedule), "next_due": [due.at.isoformat() for due in following]},
        lines=[
            f"Added     {schedule.name}: plumbline {join(schedule.command)}",
            f"Due       {'; '.join(_local(schedule, due) for due in following)}",
        ],
        next=[f"plumbline schedule simulate {schedule.name}", START],
    )


def _stated(stated: Mapping[str, Any]) -> Schedule:
    try:
        schedule = Schedule.model_validate({**stated, "folder": Path.cwd()})
    except ValidationError as error:
        raise ConfigError(list(faults_of(error, Schedule))) from error
    zone_of(schedule.zone)
    expression = schedule.times.expression
    check_steps(expression)
    return schedule.model_copy(update={"cron": expression})


def list_schedules(settings: Settings, now: datetime) -> Answer:
    """All of them."""
    book = Places(settings.store).book
    entries = book.entries()
    if not entries:
        return Answer(
            {"schedules": []},
            [f"No schedules yet in {settings.store.root}."],
            next=["plumbline schedule add nightly --cron '30 2 * * *' run configs/demo.yaml"],
        )
    latest = {e.schedule.name: book.history(1, e.schedule.name)[-1:] for e in entries}
    return Answer(
        document={
            "schedules": [
                {
                    **_document(entry.schedule),
                    "paused": entry.paused,
                    "next_due": None if entry.paused else _coming(entry, now).at.isoformat(),
                    "last": [_told(firing, settings) for firing in latest[entry.schedule.name]],
                }
                for entry in entries
            ]
        },
        table=Table(
            ("schedule", "cron", "zone", "next", "last", "command"),
            [_row(entry, latest[entry.schedule.name], now) for entry in entries],
        ),
        lines=_warnings(settings, entries, now),
        next=["plumbline schedule status"],
    )


def pause_schedule(name: str, settings: Settings) -> Answer:
    """One that waits."""
    Places(settings.store).book.pause(name)
    return Answer(
        {"schedule": name, "paused": True},
        [f"Paused    {name}; what runs goes on"],
        next=[f"plumbline schedule resume {name}"],
    )


def resume_schedule(name: str, settings: Settings, now: datetime) -> Answer:
    """One that fires again."""
    book = Places(settings.store).book
    book.resume(name, now)
    entry = book.entry(name)
    due = _coming(entry, now)
    return Answer(
        {"schedule": name, "paused": False, "next_due": due.at.isoformat()},
        [f"Resumed   {name}; due next {_local(entry.schedule, due)}"],
        next=["plumbline schedule list"],
    )


def remove_schedule(name: str, settings: Settings) -> Answer:
    """One less."""
    Places(settings.store).book.remove(name)
    return Answer(
        {"schedule": name, "removed": True},
        [f"Removed   {name}; what runs goes on, the record stays"],
        next=["plumbline schedule list"],
    )


def simulate_schedules(
    name: str | None, start: str | None, end: str | None, settings: Settings, now: datetime
) -> Answer:
    """Every firing between two moments, in order; `settings` only say which book."""
    book = Places(settings.store).book
    entries = [book.entry(name)] if name else book.entries()
    if not entries:
        raise UserError("there is no schedule yet: plumbline schedule add NAME --cron … COMMAND")
    begin = _moment("--from", start) if start else now
    until = _moment("--to", end) if end else begin + timedelta(days=7)
    if not begin < until <= begin + LONGEST:
        raise UserError("--to: must come after --from, by ten years at most")
    found = [(due, e.schedule) for e in entries for due in e.schedule.times.between(begin, until)]
    found.sort(key=lambda pair: (pair[0], pair[1].name))
    firings = [
        {"schedule": s.name, "due": due.at.isoformat(), "local": _local(s, due), "note": due.note}
        for due, s in found
    ]
    rows = [(f"{d.at:%Y-%m-%d %H:%M}", s.name, _local(s, d), d.note) for d, s in found]
    return Answer(
        document={"from": begin.isoformat(), "to": until.isoformat(), "firings": firings},
        table=Table(("due (UTC)", "schedule", "local", "note"), rows),
        lines=[f"Firings   {len(rows)}, of {len(entries)} schedules; nothing was run"],
        next=[START],
    )


def show_status(name: str | None, last: int, settings: Settings, now: datetime) -> Answer:
    """The latest firings, oldest first, each as it is now."""
    places = Places(settings.store)
    entries = [places.book.entry(name)] if name else places.book.entries()
    firings = [_told(firing, settings) for firing in places.book.history(last, name)]
    columns = ("due (UTC)", "schedule", "status", "seconds", "log", "why")
    told = ("due", "schedule", "status", "seconds", "log")
    rows = [(*(str(one[key]) for key in told), _why(one)) for one in firings]
    return Answer(
        document={
            "at_work": held(places.at_work),
            "firings": firings,
            "warnings": _warnings(settings, entries, now),
        },
        table=Table(columns, rows) if rows else None,
        lines=[*([] if rows else ["No firings yet."]), *_warnings(settings, entries, now)],
        next=["plumbline schedule list"],
    )


def _why(firing: Mapping[str, Any]) -> str:
    by_hand = ["run-now, by hand"] if firing["kind"] == "by hand" else []
    return "; ".join([*by_hand, *([firing["sentence"]] if firing["sentence"] else [])])


def _warnings(settings: Settings, entries: Sequence[Entry], now: datetime) -> list[str]:
    said = []
    if not held(Places(settings.store).at_work):
        said.append(
            f"No scheduler is at work now (a line in a crontab works by the minute): {START}"
        )
    for entry in entries:
        if entry.settled > now and not entry.paused:
            name = entry.schedule.name
            said.append(
                f"The clock was put back: '{name}' has fired up to {entry.settled:%Y-%m-%d %H:%M} UTC and waits until "
                f"then; to fire from now on: plumbline schedule resume {name}"
            )
    return said


def _document(schedule: Schedule) -> dict[str, Any]:
    return schedule.model_dump(mode="json")


def _row(entry: Entry, latest: Sequence[Firing], now: datetime) -> tuple[str, ...]:
    schedule = entry.schedule
    coming = "paused" if entry.paused else _local(schedule, _coming(entry, now))
    went = latest[0].status if latest else "-"
    return (schedule.name, schedule.cron, schedule.zone, coming, went, join(schedule.command))


def _told(firing: Firing, settings: Settings) -> dict[str, Any]:
    places, status = Places(settings.store), firing.status
    if status == "running" and not places.alive(firing):
        status = "killed"
    log = places.log(firing)
    ended, started = firing.ended, firing.started
    many = f" ({firing.times} due times)" if firing.times > 1 else ""
    return {
        "id": firing.id,
        "schedule": firing.schedule.name,
        "due": f"{firing.due:%Y-%m-%d %H:%M}",
        "due_at": firing.due.isoformat(),
        "attempt": firing.attempt,
        "kind": firing.kind,
        "status": status + many,
        "seconds": spoken((ended - started).total_seconds()) if ended and started else "",
        "exit_code": firing.exit_code,
        "log": str(log) if log.exists() else "",
        "sentence": firing.sentence,
    }


def _coming(entry: Entry, now: datetime) -> Due:
    return _next_dues(entry.schedule, max(now, entry.settled), 1)[0]


def _next_dues(schedule: Schedule, after: datetime, count: int) -> list[Due]:
    coming = schedule.times.after(after)
    return [next(coming) for _ in range(count)]


def _local(schedule: Schedule, due: Due) -> str:
    return f"{due.at.astimezone(schedule.times.zone):%a %Y-%m-%d %H:%M %Z}"


def _moment(option: str, text: str) -> datetime:
    """A day or a moment; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        today = date.today()
        raise UserError(
            f"{option}: '{text}' is no day; write it as {today} or {today}T02:00"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
