"""This machine's copy of a ledger: one line per entry, only ever added to, so that a change on the server shows.

Covered: a kill while a line is written (it is written again), two processes that add at once, lines edited or taken
out by hand. Not covered: a copy that is thrown away as a whole; it then begins anew with what the server says.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path

from deploy.edge.files import canonical_json
from deploy.registry.ledger import Row


def read_copy(path: Path) -> list[Row]:
    """Its rows; a line that cannot be read is a row that is not sound, a last line without an end is none."""
    if not path.is_file():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [_row(line, number) for number, line in enumerate(lines, start=1)]


def add_to_copy(path: Path, rows: Sequence[Row]) -> None:
    """Add the sound ones that it lacks."""
    known = {row.number for row in read_copy(path)}
    if not any(row.link and row.number not in known for row in rows):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as copy:
        fcntl.flock(copy, fcntl.LOCK_EX)
        copy.truncate(_whole(path))
        known = {row.number for row in read_copy(path)}
        new = [row for row in rows if row.link and row.number not in known]
        copy.write(b"".join(_line(row) for row in sorted(new, key=lambda row: row.number)))
        copy.flush()
        os.fsync(copy.fileno())


def _whole(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    return path.read_bytes().rfind(b"\n") + 1


def _line(row: Row) -> bytes:
    return canonical_json({"number": row.number, "hash": row.hash, "entry": row.text}) + b"\n"


def _row(line: bytes, number: int) -> Row:
    """Lines lie in the order of their numbers: where one cannot be read, its place says which it was."""
    try:
        said = json.loads(line)
        return Row(int(said["number"]), str(said["entry"]), str(said["hash"]))
    except (ValueError, KeyError, TypeError):
        return Row(number, "", "")
