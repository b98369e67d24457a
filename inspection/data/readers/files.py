"""Listing a data set's files without ever leaving its root."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from inspection.data.readers.base import IMAGE_SUFFIXES
from inspection.errors import DataError


def checked_root(root: Path) -> Path:
    """The absolute root; DataError when it is missing or no folder."""
    if not root.exists():
        raise DataError(f"data.root: '{root}' does not exist; give data.root=<folder of images>")
    if not root.is_dir():
        raise DataError(f"data.root: '{root}' is a file; give the folder that holds the images")
    return root.resolve()


def images_below(folder: Path, suffixes: Collection[str] = IMAGE_SUFFIXES) -> list[Path]:
    """Files with an image suffix, at any depth, sorted; hidden files and linked folders are passed over."""
    return sorted(path for path in _walk(folder) if path.suffix.lower() in suffixes)


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place) / name for name in files if not name.startswith("."))


def relative(path: Path, root: Path) -> str:
    """POSIX path below the root."""
    return path.relative_to(root).as_posix()


def escapes(path: Path, root: Path) -> bool:
    """Whether the path, links resolved, lies outside the root."""
    return not path.resolve().is_relative_to(root)


def escape_fault(path: Path, root: Path) -> tuple[str, str] | None:
    """The quarantine of a file that leads out of the root, else None."""
    if not escapes(path, root):
        return None
    return (
        "path_escapes_root",
        "the path leads outside data.root (a link or '..'): copy the file into the data set",
    )
