"""Edits carried out on an index file, and taken back: a journal beside the file knows what was done, in order.

Covered: the index before is restored byte for byte, which is checked by its hash before it replaces the file; a kill
between the two writes leaves a journal whose last entry is recognised as not carried out. Not covered: indexes that
something else has rewritten since; they are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.edge.files import sha256_bytes, sha256_file, write_bytes
from inspection.data.edits import Edits, edited
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.records import Record


@dataclass(frozen=True)
class Entry(Record):
    """What was done to the file: its SHA-256 before and after, and the edits."""

    before: str
    after: str
    edits: Edits


@dataclass(frozen=True)
class Journal(Record):
    """Every entry, oldest first."""

    entries: tuple[Entry, ...]


def journal_file(index: Path) -> Path:
    """Where the journal of an index file lies."""
    return index.with_name(f"{index.name}.edits.json")


def history(index: Path) -> Journal:
    """What was done to this file; an entry that a kill kept from being carried out is left out."""
    path = journal_file(index)
    if not path.exists():
        return Journal(())
    try:
        if not path.is_file():
            raise ValueError("no regular file")
        journal = Journal.load(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"journal '{path}' is damaged: restore it, or import the data again"
        ) from error
    entries = journal.entries
    _check_there(index)
    if entries and sha256_file(index) == entries[-1].before != entries[-1].after:
        entries = entries[:-1]
    return Journal(entries)


def apply_edits(index: Path, edits: Edits) -> ImageIndex:
    """Change the file as `edits` say and note it in the journal; the changed index."""
    known = history(index)
    _check_known(index, known)
    changed = edited(ImageIndex.load(index), edits)
    written = changed.to_bytes()
    entry = Entry(sha256_file(index), sha256_bytes(written), edits)
    Journal((*known.entries, entry)).save(journal_file(index))
    write_bytes(index, written)
    return changed


def revert_edits(index: Path) -> tuple[ImageIndex, Edits]:
    """Take back the last edits; the index as it was, byte for byte, and what was taken back."""
    known = history(index)
    _check_known(index, known)
    if not known.entries:
        raise DataError(f"nothing was applied to '{index}': there is nothing to take back")
    last = known.entries[-1]
    restored = edited(ImageIndex.load(index), last.edits.inverted())
    written = restored.to_bytes()
    if sha256_bytes(written) != last.before:
        raise DataError(
            f"'{index}' would not become what it was (another version of Parquet wrote it): "
            "import the data again and apply the edits that are to stay"
        )
    write_bytes(index, written)
    if len(known.entries) > 1:
        Journal(known.entries[:-1]).save(journal_file(index))
    else:
        journal_file(index).unlink()
    return restored, last.edits


def _check_there(index: Path) -> None:
    if not index.is_file():
        raise DataError(f"image index '{index}' does not exist: plumbline data import writes one")


def _check_known(index: Path, known: Journal) -> None:
    _check_there(index)
    if known.entries and sha256_file(index) != known.entries[-1].after:
        raise DataError(
            f"'{index}' was written by something else since its last edits: "
            f"remove '{journal_file(index).name}' to start a new journal"
        )
