"""Schedules and their firings in one SQLite file: every due time gets one claim, written before anything is started.

A claim and the moment up to which a schedule is settled change together, and only if nobody has changed them since they
were read: of any number of schedulers, one claims. `begin` is the second gate: of any number of keepers started for a
claim, one runs the command.

Covered: a kill, a power cut or a full disk at any moment (what was not written is claimed later); several schedulers; a
clock that is put back (what was claimed is not claimed again). Not covered: a store shared by two machines.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from inspection.errors import UserError
from pipelines.database import changing, opened
from pipelines.schedule.cron import Due
from pipelines.schedule.plan import Chosen, Schedule, choose
from pipelines.settings import nearest

Status = Literal["claimed", "running", "done", "refused", "failed", "stopped", "killed", "skipped"]
Kind = Literal["due", "by hand"]
MOST_ATTEMPTS = 3
"""A command that was killed so often is not started again."""
LAYOUT = """
CREATE TABLE IF NOT EXISTS schedules (
    name TEXT PRIMARY KEY, document TEXT NOT NULL, paused INTEGER NOT NULL, settled TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS firings (
    id INTEGER PRIMARY KEY AUTOINCREMENT, schedule TEXT NOT NULL, due TEXT NOT NULL, attempt INTEGER NOT NULL,
    kind TEXT NOT NULL, document TEXT NOT NULL, status TEXT NOT NULL, sentence TEXT NOT NULL, times INTEGER NOT NULL,
    claimed TEXT NOT NULL, started TEXT, ended TEXT, exit_code INTEGER, UNIQUE (schedule, due, attempt)
) STRICT;
CREATE INDEX IF NOT EXISTS open_firings ON firings (status) WHERE status IN ('claimed', 'running');
"""
CLAIM = """
INSERT OR IGNORE INTO firings (schedule, due, attempt, kind, document, status, sentence, times, claimed, ended)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

ENDED = "status = ?, sentence = ?, ended = ?, exit_code = ?"
WAITING = """
SELECT id, due FROM firings
WHERE schedule = ? AND status = 'claimed' AND kind = 'due' AND attempt = 1 ORDER BY due
"""


@dataclass(frozen=True)
class Entry:
    """A schedule in the book; every due time up to `settled` is claimed or given up."""

    schedule: Schedule
    paused: bool
    settled: datetime


@dataclass(frozen=True)
class Firing:
    """One due time (or call by hand) and what became of it; one that is `skipped` may stand for `times` due times."""

    id: int
    schedule: Schedule
    due: datetime
    attempt: int
    kind: Kind
    status: Status
    sentence: str
    times: int
    claimed: datetime
    started: datetime | None
    ended: datetime | None
    exit_code: int | None

    @property
    def label(self) -> str:
        """A name that no other firing has, and no other attempt at it."""
        return f"{self.schedule.name} {self.due.isoformat()} {self.attempt}"


@dataclass(frozen=True)
class Book:
    """The file at `path`; nothing is created by reading."""

    path: Path

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with opened(self.path, LAYOUT) as connection:
            yield connection

    def add(self, schedule: Schedule, now: datetime) -> None:
        """Enter a new schedule; its first due time is the next one after `now`."""
        with self._opened() as connection, changing(connection):
            known = connection.execute("SELECT 1 FROM schedules WHERE name = ?", [schedule.name])
            if known.fetchone():
                raise UserError(
                    f"schedule '{schedule.name}' is there already: choose another name, or "
                    f"`plumbline schedule remove {schedule.name}` first"
                )
            row = (schedule.name, schedule.model_dump_json(), 0, _text(now))
            connection.execute("INSERT INTO schedules VALUES (?, ?, ?, ?)", row)

    def entries(self) -> list[Entry]:
        """Every schedule, by name."""
        rows = self._rows("SELECT * FROM schedules ORDER BY name")
        return [_entry(row) for row in rows]

    def entry(self, name: str) -> Entry:
        """One schedule; UserError with the nearest name when there is none."""
        found = {entry.schedule.name: entry for entry in self.entries()}
        if name not in found:
            there = nearest(name, list(found)) if found else ": there is none yet"
            raise UserError(f"no schedule '{name}'{there}")
        return found[name]

    def pause(self, name: str) -> None:
        """No due time of it is claimed until it is resumed."""
        self.entry(name)
        self._change("UPDATE schedules SET paused = 1 WHERE name = ?", [name])

    def resume(self, name: str, now: datetime) -> None:
        """Claim again, from the next due time after `now`: what passed meanwhile was not missed, it was paused."""
        self.entry(name)
        self._change(
            "UPDATE schedules SET paused = 0, settled = ? WHERE name = ?", [_text(now), name]
        )

    def remove(self, name: str) -> None:
        """Forget a schedule and what it had waiting; the record of its firings stays."""
        self.entry(name)
        with self._opened() as connection, changing(connection):
            connection.execute("DELETE FROM schedules WHERE name = ?", [name])
            gone = "UPDATE firings SET status = 'skipped', sentence = ? WHERE schedule = ? AND status = 'claimed'"
            connection.execute(gone, ["the schedule was removed before it began", name])

    def claim(self, entry: Entry, now: datetime) -> int:
        """Claim what is due up to `now`, once among all schedulers; how many due times that settled."""
        schedule = entry.schedule
        passed = schedule.times.between(entry.settled, now)
        if not passed:
            return 0
        with self._opened() as connection, changing(connection):
            ours = connection.execute(
                "UPDATE schedules SET settled = ? WHERE name = ? AND settled = ? AND paused = 0 AND document = ?",
                [_text(passed[-1].at), schedule.name, _text(entry.settled), _document(schedule)],
            )
            if ours.rowcount == 0:  # another scheduler, or its owner, was faster
                return 0
            chosen = choose(schedule, passed, now)
            connection.executemany(CLAIM, _claims(schedule, chosen, now))
            _give_up_waiting(connection, schedule, now)
        return len(passed)

    def claim_by_hand(self, name: str, now: datetime) -> Firing:
        """A firing that no due time asked for."""
        schedule = self.entry(name).schedule
        row = _claim(schedule, Due(now), now, kind="by hand")
        with self._opened() as connection, changing(connection):
            number = connection.execute(CLAIM, row).lastrowid
        return self.firing(int(number or 0))

    def begin(self, number: int, now: datetime) -> bool:
        """Whether the caller, and nobody else, is to run the command of this claim."""
        began = (
            "UPDATE firings SET status = 'running', started = ? WHERE id = ? AND status = 'claimed'"
        )
        return self._change(began, [_text(now), number]) == 1

    def finish(
        self,
        firing: Firing,
        status: Status,
        sentence: str,
        ended: datetime | None,
        code: int | None,
    ) -> bool:
        """Write how a running firing ended, once; with it, when it was killed, the claim to run it again."""
        with self._opened() as connection, changing(connection):
            done = connection.execute(
                f"UPDATE firings SET {ENDED} WHERE id = ? AND status = 'running'",
                [status, sentence, None if ended is None else _text(ended), code, firing.id],
            )
            again = status == "killed" and firing.schedule.on_kill == "retry"
            if done.rowcount and again and firing.attempt < MOST_ATTEMPTS:
                row = _claim(
                    firing.schedule,
                    Due(firing.due),
                    firing.claimed,
                    firing.kind,
                    firing.attempt + 1,
                )
                connection.execute(CLAIM, row)
        return done.rowcount == 1

    def firing(self, number: int) -> Firing:
        """One firing by its number."""
        (row,) = self._rows("SELECT * FROM firings WHERE id = ?", [number])
        return _firing(row)

    def open_firings(self) -> list[Firing]:
        """What is claimed or running, in the order in which it was due."""
        asked = "SELECT * FROM firings WHERE status IN ('claimed', 'running') ORDER BY due, id"
        return [_firing(row) for row in self._rows(asked)]

    def given_up(self, since: datetime) -> list[Firing]:
        """What a policy gave up since then; a schedule that was removed gave up nothing."""
        asked = "SELECT * FROM firings WHERE status = 'skipped' AND ended >= ? ORDER BY id"
        return [_firing(row) for row in self._rows(asked, [_text(since)])]

    def history(self, last: int, name: str | None = None) -> list[Firing]:
        """The latest firings, oldest first."""
        asked = "SELECT * FROM firings WHERE ? IN (schedule, '') ORDER BY id DESC LIMIT ?"
        return [_firing(row) for row in self._rows(asked, [name or "", last])][::-1]

    def _rows(self, asked: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        if not self.path.exists():
            return []
        with self._opened() as connection:
            return connection.execute(asked, values).fetchall()

    def _change(self, asked: str, values: Sequence[Any]) -> int:
        with self._opened() as connection, changing(connection):
            return connection.execute(asked, values).rowcount


def _claims(schedule: Schedule, chosen: Chosen, now: datetime) -> Iterator[tuple[Any, ...]]:
    if chosen.skip:
        first, last = chosen.skip[0], chosen.skip[-1]
        period = f"from {first.at:%Y-%m-%d %H:%M} to {last.at:%Y-%m-%d %H:%M} UTC"
        said = f"missed {period}, given up by missed={schedule.missed}"
        skipped = _claim(
            schedule, last, now, status="skipped", sentence=said, times=len(chosen.skip)
        )
        yield skipped
    for due in chosen.fire:
        yield _claim(schedule, due, now, sentence=due.note)


def _claim(
    schedule: Schedule,
    due: Due,
    now: datetime,
    kind: Kind = "due",
    attempt: int = 1,
    *,
    status: Status = "claimed",
    sentence: str = "",
    times: int = 1,
) -> tuple[Any, ...]:
    stated = (schedule.name, _text(due.at), attempt, kind, _document(schedule))
    ended = _text(now) if status == "skipped" else None
    return (*stated, status, sentence, times, _text(now), ended)


def _give_up_waiting(connection: sqlite3.Connection, schedule: Schedule, now: datetime) -> None:
    """What still waits for its lock is late too: the same policy decides."""
    waiting = connection.execute(WAITING, [schedule.name]).fetchall()
    late = choose(schedule, [Due(_moment(row["due"])) for row in waiting], now).skip
    said = (
        f"waited for the lock '{schedule.lock}' until it was given up by missed={schedule.missed}"
    )
    for row in waiting[: len(late)]:
        change = f"UPDATE firings SET {ENDED} WHERE id = ? AND status = 'claimed'"
        connection.execute(change, ["skipped", said, _text(now), None, row["id"]])


def _document(schedule: Schedule) -> str:
    return schedule.model_dump_json()


def _text(moment: datetime) -> str:
    """A spelling whose order is that of time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _entry(row: sqlite3.Row) -> Entry:
    schedule = Schedule.model_validate_json(row["document"])
    return Entry(schedule, bool(row["paused"]), _moment(row["settled"]))


def _firing(row: sqlite3.Row) -> Firing:
    values = {key: row[key] for key in row.keys() if key != "document"}  # noqa: SIM118 - a Row is no mapping
    for key in ("due", "claimed", "started", "ended"):
        values[key] = None if row[key] is None else _moment(row[key])
    return Firing(**{**values, "schedule": Schedule.model_validate_json(row["document"])})
