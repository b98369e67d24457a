"""A folder of bundles, one per digest: a bundle stands on it whole and verified, or not at all.

Covered: a kill, a full disk or two writers at any moment. A crash leaves at most a dot folder, which the next writer
sweeps away.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deploy.edge.bundle import open_bundle
from deploy.edge.errors import BundleError
from deploy.edge.files import sync_folder
from deploy.edge.spec import MANIFEST, Manifest

_BUILDING = ".building-"


@contextlib.contextmanager
def workshop(shelf: Path) -> Iterator[Path]:
    """An empty folder on the shelf's own disk, gone when the block ends; one writer at a time."""
    shelf.mkdir(parents=True, exist_ok=True)
    with (shelf / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The lock is ours, so whatever lies here was left by somebody who died.
        for left in shelf.glob(f"{_BUILDING}*"):
            shutil.rmtree(left, ignore_errors=True)
        bench = Path(tempfile.mkdtemp(dir=shelf, prefix=_BUILDING))
        try:
            yield bench
        finally:
            shutil.rmtree(bench, ignore_errors=True)


def put_up(finished: Path, shelf: Path) -> Path:
    """Move a finished bundle from `workshop(shelf)` to its place and verify it; a sound twin already there stays."""
    manifest = finished / MANIFEST
    if not manifest.is_file():
        raise BundleError(f"'{finished}' has no {MANIFEST}: it is no bundle, export it again")
    target = shelf / Manifest.from_json(manifest.read_bytes()).digest
    if finished.name != target.name:
        finished = finished.rename(finished.parent / target.name)
    open_bundle(finished)
    _sync(finished)
    if not _is_sound(target):
        shutil.rmtree(target, ignore_errors=True)
        finished.rename(target)
        sync_folder(shelf)
    return target


def install(source: Path, shelf: Path) -> Path:
    """Copy the bundle `source` onto the shelf: verified, whole or not at all. Gives its new folder."""
    if not source.is_dir():
        raise BundleError(f"'{source}' is no folder: give the bundle's folder")
    with workshop(shelf) as bench:
        # Links are kept as links, for the verification to refuse.
        copy = Path(shutil.copytree(source, bench / "copy", symlinks=True))
        return put_up(copy, shelf)


def _is_sound(folder: Path) -> bool:
    try:
        return open_bundle(folder).manifest.digest == folder.name
    except (BundleError, OSError):
        return False


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)
