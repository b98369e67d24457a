"""Small SQLite files of the store: every change whole and on the disk, or not at all.

Covered: a kill, a power cut or a full disk at any moment; several processes at once. Not covered: a disk that lies
about flushes; file systems without locks.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from deploy.registry.tracking import DAMAGED
from inspection.errors import UserError

PATIENCE_S = 30.0
"""How long one process waits for another's change; each takes milliseconds."""
NOWHERE = ":memory:"
"""Where SQLite keeps what nobody keeps."""


@contextlib.contextmanager
def opened(path: Path, layout: str) -> Iterator[sqlite3.Connection]:
    """The database at `path`, made with `layout` (`CREATE … IF NOT EXISTS`) when new; rows by column name."""
    place = _place(path)
    connection = sqlite3.connect(place, timeout=PATIENCE_S, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        # EXTRA: after a commit has returned, not even a power cut takes it back.
        connection.execute("PRAGMA synchronous = EXTRA")
        if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            connection.executescript(f"BEGIN IMMEDIATE; {layout} COMMIT;")
        if place == NOWHERE:
            connection.execute("PRAGMA query_only = ON")  # a change would be lost: it is an error
        yield connection
    except sqlite3.DatabaseError as error:
        if not any(word in str(error) for word in DAMAGED):
            raise
        raise UserError(
            f"{path}: is damaged ({error}); move it away, or put its backup back"
        ) from error
    finally:
        connection.close()


def _place(path: Path) -> str:
    """The file; of one that is not there, and cannot be made, an empty database that nobody keeps."""
    folder = next(parent for parent in path.parents if parent.exists())
    if not path.exists() and not os.access(folder, os.W_OK):
        return NOWHERE
    path.parent.mkdir(parents=True, exist_ok=True)
    return str(path)


@contextlib.contextmanager
def changing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One change: all of the block, or nothing of it; other processes wait."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise
