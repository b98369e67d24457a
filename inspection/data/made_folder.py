"""A folder made as a whole: written aside, renamed, and replaced only when nothing foreign is in it.

Covered: the folder names every file it holds in its own list, and one foreign file is enough to refuse; neither the
source of the data nor a folder around or inside it can become the target. Not covered: what somebody has changed inside
listed files (they are written anew); a power cut while it is written; a kill between the two renames of a replacement
leaves the old folder beside, under a hidden name.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.edge.files import sync_folder, write_json
from inspection.errors import DataError


def check_target(target: Path, root: Path, listing: str, kind: str) -> Path:
    """The absolute target; DataError when it is the source, or holds anything but an earlier folder of this kind.

    `listing` is the name of the file that lists the others, `kind` what it says it lists.
    """
    place, source = target.resolve(), root.resolve()
    if place.is_relative_to(source) or source.is_relative_to(place):
        raise DataError(
            f"{kind}: '{target}' is, holds or lies in the data's own folder '{root}'; give a folder outside it"
        )
    if place.exists() and not place.is_dir():
        raise DataError(f"{kind}: '{target}' is a file; give a new or empty folder")
    held = {
        path.relative_to(place).as_posix()
        for path in place.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    foreign = sorted(held - _listed(place / listing, kind) - {listing})
    if foreign or (held and listing not in held):
        name = (foreign or sorted(held))[0]
        raise DataError(
            f"{kind}: '{target}' holds '{name}', which is not from an earlier run; give a new or empty folder"
        )
    return place


def _listed(path: Path, kind: str) -> set[str]:
    try:
        said = json.loads(path.read_bytes())
        return set(said["files"]) if said["kind"] == kind else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


@contextlib.contextmanager
def made_folder(place: Path) -> Iterator[Path]:
    """An empty folder beside `place` to write to; it takes its place only if the block ends well."""
    place.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        yield aside
        aside.chmod(0o755)
        _swap(aside, place)
        sync_folder(place.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_listing(folder: Path, listing: str, kind: str, facts: dict[str, Any]) -> None:
    """The list of the files that lie in `folder` by now, with what else is to be said of them."""
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    write_json(folder / listing, {**facts, "kind": kind, "files": files})


def _swap(aside: Path, place: Path) -> None:
    if not place.exists():
        aside.rename(place)
        return
    old = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.old."))
    place.replace(old)
    try:
        aside.rename(place)
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)
