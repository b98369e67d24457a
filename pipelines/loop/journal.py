"""What the loop has seen and done, one event a line: only ever added to, and read back in the order of writing.

Covered: a kill in the middle of a line loses that line alone, which is then written again; several processes write one
line at a time. Not covered: lines edited by hand (a line that is no event is a fault, with its number).
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from inspection.errors import DataError
from inspection.evaluation.loop import Event

EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


def write_event(journal: Path, event: Event) -> None:
    """Add `event`, durably; what a kill left of a line before it is cut off."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("ab+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.truncate(_whole(journal.read_bytes()))
        stream.write(EVENTS.dump_json(event) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_events(journal: Path) -> list[Event]:
    """All whole events; none where there is no journal yet. DataError for a line that is no event."""
    if not journal.exists():
        return []
    data = journal.read_bytes()
    lines = data[: _whole(data)].splitlines()
    return [_event(journal, number, line) for number, line in enumerate(lines, 1)]


def _whole(data: bytes) -> int:
    """Bytes up to the end of the last whole line."""
    return data.rfind(b"\n") + 1


def _event(journal: Path, number: int, line: bytes) -> Event:
    try:
        return EVENTS.validate_json(line)
    except ValidationError as error:
        raise DataError(
            f"{journal}: line {number} is no event of the loop ({error.errors()[0]['msg']}): restore the file, or move "
            "it away to begin anew"
        ) from error
