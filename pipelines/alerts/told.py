"""Telling people how a run ended: once for equal ends within a window, never at the price of the run.

Covered: a server that is down, slow, wrong or refuses the login; an `alerts.yaml` with faults; a full disk; one failure
seen by a step, its run and the scheduler (told once). Each outcome is a line of `alerts.jsonl` in the store, or where
that cannot be written on stderr. Not covered: a message that a server took and lost.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from inspection.data.readers.stated import one_line
from inspection.durations import seconds_of, spoken
from inspection.errors import PlumblineError
from inspection.store import Store
from pipelines.alerts.channels import FAULTS, Message, channels_of, send_all, to_file
from pipelines.alerts.config import Alerts, Kind, load_alerts, place_of
from pipelines.database import changing, opened
from pipelines.settings import FIRING

KEPT = timedelta(days=30)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When news that reached nobody was told: the next equal one is tried again."""
LAYOUT = """
CREATE TABLE IF NOT EXISTS told (key TEXT PRIMARY KEY, at TEXT NOT NULL, held INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS origins (origin TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True)
class Event:
    """An end worth telling; `origin` names the one occurrence that several may report, `what` the thing that ended."""

    kind: Kind
    what: str
    sentence: str
    origin: str

    @property
    def key(self) -> str:
        """Equal for ends that are the same news."""
        return f"{self.kind}: {self.what}: {self.sentence}"


def origin_of_firing(label: str) -> str:
    """The name under which a firing of the scheduler, and the run that it started, are told of."""
    return f"firing of {label}"


def origin_of_run(name: str, variables: Mapping[str, str]) -> str:
    """The firing that started this process, if one did; else the run."""
    label = variables.get(FIRING)
    return origin_of_firing(label) if label else f"run {name}"


def tell(
    store: Store, variables: Mapping[str, str], event: Event, now: datetime | None = None
) -> dict[str, str]:
    """Send `event` if anybody wants it now; what became of it, by channel. Never raises for a fault outside."""
    path, now = place_of(store, variables), now or datetime.now(UTC)
    try:
        # Without the default file nobody asked to be told; a file that is named has to be there.
        if not path.exists() and path == store.root / "alerts.yaml":
            return {}
        alerts = load_alerts(path, variables, store.root)
        held = _held(store, alerts, event, now) if event.kind in alerts.tell else None
        return {} if held is None else _send(store, variables, alerts, event, held, now)
    except (*FAULTS, sqlite3.Error, PlumblineError) as error:
        print(f"warning: no alert was sent: {one_line(error)}", file=sys.stderr)
        return {"alerts": one_line(error)}


def record_of(store: Store) -> Path:
    """Every alert that was due to be sent, and what each channel did with it; one JSON per line."""
    return store.root / "alerts.jsonl"


def message_of(event: Event, held: int, window: str, now: datetime) -> Message:
    """What people read."""
    subject = one_line(f"Plumbline: {event.what} {event.kind}")
    more = (
        f"The same was held back {held} times within {spoken(seconds_of(window))}." if held else ""
    )
    lines = [event.sentence, more, f"{event.origin}, {now:%Y-%m-%d %H:%M} UTC"]
    document = {**vars(event), "held_back": held, "at": now.isoformat(timespec="seconds")}
    return Message(subject, "\n".join(line for line in lines if line), document)


def _held(store: Store, alerts: Alerts, event: Event, now: datetime) -> int | None:
    """`_admitted`; where the store cannot be written that is news of its own, and everything is sent."""
    try:
        return _admitted(store, alerts, event, now)
    except (OSError, sqlite3.Error) as error:
        print(f"warning: alerts forget what they have told: {one_line(error)}", file=sys.stderr)
        return 0


def _admitted(store: Store, alerts: Alerts, event: Event, now: datetime) -> int | None:
    """How many equal ones were held back since the last, if this one is to be sent; else None."""
    with _memory(store) as connection, changing(connection):
        connection.execute("DELETE FROM origins WHERE at < ?", [(now - KEPT).isoformat()])
        added = "INSERT OR IGNORE INTO origins VALUES (?, ?)"
        if not connection.execute(
            added, [f"{event.kind} {event.origin}", now.isoformat()]
        ).rowcount:
            return None
        row = connection.execute("SELECT * FROM told WHERE key = ?", [event.key]).fetchone()
        age = None if row is None else abs(now - datetime.fromisoformat(row["at"])).total_seconds()
        if age is not None and age < seconds_of(alerts.window):
            connection.execute("UPDATE told SET held = held + 1 WHERE key = ?", [event.key])
            return None
        connection.execute("REPLACE INTO told VALUES (?, ?, 0)", [event.key, now.isoformat()])
        return 0 if row is None else int(row["held"])


def _send(
    store: Store,
    variables: Mapping[str, str],
    alerts: Alerts,
    event: Event,
    held: int,
    now: datetime,
) -> dict[str, str]:
    message = message_of(event, held, alerts.window, now)
    sent = send_all(channels_of(alerts, variables), message, alerts.timeout)
    for name, outcome in sent.items():
        if outcome != "sent":
            print(f"warning: alert by {name} {outcome}", file=sys.stderr)
    if "sent" not in sent.values():
        with _memory(store) as connection, changing(connection):
            again = "UPDATE told SET at = ?, held = ? WHERE key = ?"
            connection.execute(again, [NEVER.isoformat(), held + 1, event.key])
    keep(store, message, sent)
    return sent


def keep(store: Store, message: Message, sent: Mapping[str, str]) -> None:
    """Write down what became of a message, by channel."""
    to_file(record_of(store), Message("", "", {**message.document, "outcome": sent}))


def _memory(store: Store) -> AbstractContextManager[sqlite3.Connection]:
    return opened(store.root / "alerts.db", LAYOUT)
