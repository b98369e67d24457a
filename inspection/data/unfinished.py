"""What a reading of images had come to when it was killed, so that the next one goes on there.

Covered: a torn last line, other files or annotations in the meantime (only what is unchanged is taken over), two
readings at once, a disk that is full or may not be written (then nothing is kept, and the reading goes on). Nothing is
written for small sets. Not covered: power cuts; what the system had not yet written is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from inspection.data.index import plain
from inspection.data.readers.base import RawItem

EVERY = 500
"""Rows written at a time: less than a second's work on any machine."""
KEY = 32
"""Hexadecimal digits that name a row by all that it was made from."""

Row = dict[str, Any]


class Unfinished:
    """Rows of images that are already read, in a file of one JSON line each; all of it is advice, never an error."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[bytes] = []
        self._usable = True
        self._places: dict[str, tuple[int, int]] = {}
        self._file = -1
        if path.is_file():
            self._open()
            self._find_lines()

    @property
    def known(self) -> int:
        """Rows that were found."""
        return len(self._places)

    def row(self, key: str) -> Row | None:
        """The row of this key, if it was read before; any thread may ask."""
        place = self._places.get(key)
        if place is None:
            return None
        try:
            row = json.loads(os.pread(self._file, place[1], place[0])[KEY + 1 :])
        except (OSError, ValueError):
            return None
        return row if isinstance(row, dict) else None

    def keep(self, key: str, row: Row) -> None:
        """Write the row with the next `EVERY`."""
        if self._usable:
            self._waiting.append(f"{key} {json.dumps(plain(row))}\n".encode())
        if len(self._waiting) >= EVERY:
            self._write()

    def remove(self) -> None:
        """The reading has come to its end: nothing is left over."""
        if self._file < 0:
            return
        self.path.unlink(missing_ok=True)
        with suppress(OSError):
            # A store that was made for this alone goes with it.
            self.path.parent.rmdir()
            self.path.parent.parent.rmdir()

    def close(self) -> None:
        """Nothing is written any more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self) -> None:
        data, self._waiting = b"".join(self._waiting), []
        if self._file < 0:
            self._open()
        try:
            # One call and appended: rows of two readings at once do not mix.
            self._usable = self._usable and os.write(self._file, data) == len(data)
        except OSError:
            self._usable = False

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError:
            self._usable = False

    def _find_lines(self) -> None:
        if self._file < 0:
            return
        place = 0
        with open(self._file, "rb", closefd=False) as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    key = line[:KEY].decode("ascii", "replace")
                    self._places[key] = (place, len(line))
                place += len(line)
        if place and not line.endswith(b"\n"):
            self._waiting.append(b"\n")


@contextmanager
def unfinished(path: Path) -> Iterator[Unfinished]:
    """The rows kept at `path`; they are removed when the work inside ends well."""
    kept = Unfinished(path)
    try:
        yield kept
        kept.remove()
    finally:
        kept.close()


def key_of(item: RawItem, root: Path) -> str:
    """What decides an image's row: all that is said of it, and size and time of its files."""
    digest = hashlib.sha256(repr(item).encode(errors="surrogateescape"))
    for name in (item.path, item.mask_path):
        if name is not None:
            digest.update(_written(root / name).encode())
    return digest.hexdigest()[:KEY]


def _written(path: Path) -> str:
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return "none"
    return f"{facts.st_size} {facts.st_mtime_ns} {facts.st_ino}"
