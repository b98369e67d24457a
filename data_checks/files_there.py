"""Whether the files of an index are still the ones that were read: there, readable, of the same content.

Covered: every usable image by presence and size, and by its SHA-256 where somebody reads it anyway (`quality.py`).
Not covered: masks and annotation files; another content of equal size, unless the images are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from data_checks.questions import SHA256
from data_checks.results import CheckResult, limited_rows
from deploy.edge.errors import ImageError
from deploy.edge.files import sha256_bytes
from inspection.data.index import ImageIndex, plain
from inspection.parallel import in_order

MISSING, CHANGED = "missing", "changed"
"""Faults of a file; any other name is a reason of `ImageError`."""
_READ_AGAIN = "put the files back, or read the folder again with plumbline data import"


@dataclass(frozen=True)
class Stated:
    """What an index says of one file: its path, its size in bytes and its SHA-256, each None where nothing is said."""

    path: Path
    size: int | None
    image_id: str | None

    def check(self, data: bytes) -> None:
        """ImageError `changed` when `data` is not the content that was indexed."""
        other = self.size is not None and len(data) != self.size
        if other or (self.image_id is not None and sha256_bytes(data) != self.image_id):
            raise ImageError(CHANGED, f"{self.path}: another content than was indexed")


@dataclass(frozen=True)
class FileQuestion:
    """One answer of the gate about files: the faults that refuse it, what is allowed, and what to do."""

    faults: frozenset[str] | None
    limit: str
    advice: str

    def meets(self, fault: str) -> bool:
        """Whether a file with this fault fails the question; None stands for all faults that no other names."""
        named = {MISSING, CHANGED}
        return fault not in named if self.faults is None else fault in self.faults


FILE_CHECKS: Mapping[str, FileQuestion] = MappingProxyType(
    {
        "files_there": FileQuestion(
            frozenset({MISSING}), "every usable image is there", _READ_AGAIN
        ),
        "files_readable": FileQuestion(None, "every usable image opens", _READ_AGAIN),
        "files_unchanged": FileQuestion(
            frozenset({CHANGED}), "every usable image has the content that was read", _READ_AGAIN
        ),
    }
)
"""Questions that need the files themselves, by name; `questions.CHECKS` has those that the index answers alone."""


def stated(index: ImageIndex) -> dict[str, Stated]:
    """What the index says of the file of every row, by path in row order."""
    frame = index.frame[["path", "bytes", "image_id"]]
    rows: list[list[Any]] = frame.astype(object).to_numpy().tolist()
    return {
        str(path): Stated(index.root / path, _whole(size), _digest(image_id))
        for path, size, image_id in rows
    }


def file_faults(index: ImageIndex) -> dict[str, str]:
    """Usable images that are missing, unreadable or of another size, with the fault; no file is opened."""
    files = stated(index.usable())
    found = zip(files, in_order(_fault, list(files.values())), strict=True)
    return {path: fault for path, fault in found if fault is not None}


def check_files(index: ImageIndex, faults: Mapping[str, str]) -> tuple[CheckResult, ...]:
    """The gate's answers about the files of usable images, of which `faults` tells what is wrong, by path."""
    total = len(index.usable())
    return tuple(_check(name, total, faults) for name in FILE_CHECKS)


def _check(name: str, total: int, faults: Mapping[str, str]) -> CheckResult:
    question = FILE_CHECKS[name]
    paths = [path for path, fault in faults.items() if question.meets(fault)]
    kinds = sorted({faults[path] for path in paths})
    seen = f"{len(paths)} of {total} images {', '.join(kinds)}"
    return CheckResult(
        name=name,
        passed=not paths,
        observed=seen if paths else f"all of {total} images",
        limit=question.limit,
        advice=question.advice,
        rows=limited_rows(paths),
        count=len(paths),
    )


def _fault(file: Stated) -> str | None:
    try:
        facts = file.path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return "unreadable"
    if not file.path.is_file():
        return "unreadable"
    return CHANGED if file.size not in (None, facts.st_size) else None


def _whole(value: Any) -> int | None:
    found = plain(value)
    return None if found is None else int(found)


def _digest(value: Any) -> str | None:
    """The SHA-256 itself; what is none is another question's business (`file_hash`)."""
    found = plain(value)
    return found if isinstance(found, str) and re.match(SHA256, found) else None
