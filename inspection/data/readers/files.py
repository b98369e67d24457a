"""Listing a data set's files without ever leaving its root."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path, PureWindowsPath

from inspection.data.readers.base import IMAGE_SUFFIXES, RawItem
from inspection.data.readers.stated import shown
from inspection.errors import DataError

BREAKS = frozenset({"Cc", "Zl", "Zp"})
"""Control characters and Unicode's own line ends, which break tables and messages alike."""
Fault = tuple[str, str]
"""A quarantine code and its sentence."""


def checked_root(root: Path) -> Path:
    """The absolute root; DataError when it is missing, no folder, or closed to us."""
    if not root.exists():
        raise DataError(f"data.root: '{root}' does not exist; give data.root=<folder of images>")
    if not root.is_dir():
        raise DataError(f"data.root: '{root}' is a file; give the folder that holds the images")
    if not os.access(root, os.R_OK | os.X_OK):
        raise DataError(f"data.root: '{root}' may not be read; change its permissions")
    return root.resolve()


def images_below(folder: Path, suffixes: Collection[str] = IMAGE_SUFFIXES) -> list[Path]:
    """Files with such a suffix, at any depth, sorted; hidden files and linked folders are passed over."""
    return sorted(path for path in _walk(folder) if path.suffix.lower() in suffixes)


def images_in(folder: Path) -> list[Path]:
    """Image files that lie directly in the folder, sorted; no hidden ones."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not path.name.startswith(".")
        and not path.is_dir()
    )


def class_folders(root: Path) -> list[Path]:
    """Folders directly below the root, sorted; neither hidden nor links."""
    return [
        path
        for path in sorted(root.iterdir())
        if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
    ]


def linked_folders(root: Path) -> list[RawItem]:
    """One item per link to a folder, so that what is passed over is not passed over in silence."""
    return [
        RawItem(path=relative(path, root), fault=path_fault(path, root) or _linked(path))
        for path in sorted(_links(root))
    ]


def _links(root: Path) -> Iterator[Path]:
    for place, folders, _ in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place) / name for name in folders if (Path(place) / name).is_symlink())


def _linked(path: Path) -> Fault:
    return (
        "linked_folder",
        f"{shown(path.name)} is a link to a folder, not followed: copy the folder",
    )


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, onerror=_closed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place) / name for name in files if not name.startswith("."))


def _closed(error: OSError) -> None:
    """A folder that may not be listed is not an empty one."""
    where = shown(str(error.filename))
    raise DataError(
        f"data.root: folder {where} cannot be read ({error.strerror}): change its permissions"
    ) from error


def relative(path: Path, root: Path) -> str:
    """POSIX path below the root; bytes of a name that is not UTF-8 are spelt out as `\\udcNN`."""
    return path.relative_to(root).as_posix().encode("utf-8", "backslashreplace").decode()


def leads_out(name: str) -> bool:
    """Whether a stated name is no place below a folder, in either system's spelling."""
    windows = PureWindowsPath(name)
    return bool(windows.anchor) or ".." in windows.parts


def path_fault(path: Path, root: Path) -> Fault | None:
    """The quarantine of a file that leads out of the root or has a name no table can hold, else None."""
    # realpath, because Path.resolve raises on a ring of links.
    if not Path(os.path.realpath(path)).is_relative_to(root):
        return (
            "path_escapes_root",
            "the path leads outside data.root (a link or '..'): copy the file into the data set",
        )
    if relative(path, root) != path.relative_to(root).as_posix():
        return "name_not_utf8", "the file's name is not UTF-8: rename it"
    if any(unicodedata.category(letter) in BREAKS for letter in relative(path, root)):
        return "name_control_character", "the file's name holds a line break or the like: rename it"
    return None
