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
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.edge.bundle import open_bundle
from deploy.edge.errors import BundleError
from deploy.edge.files import sync_folder, write_json
from deploy.edge.signing import SIGNATURE, Signature, read_signatures, signature_document
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
    """Move a finished bundle from `workshop(shelf)` to its place and verify it.

    A sound twin already there stays, and gets the signatures that it lacks.
    """
    manifest = finished / MANIFEST
    if not manifest.is_file():
        raise BundleError(f"'{finished}' has no {MANIFEST}: it is no bundle, export it again")
    target = shelf / Manifest.from_json(manifest.read_bytes()).digest
    if finished.name != target.name:
        finished = finished.rename(finished.parent / target.name)
    signatures = open_bundle(finished).signatures
    _sync(finished)
    if is_sound(target):
        _add(target, signatures, finished.parent)
    else:
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


def add_signatures(folder: Path, signatures: Sequence[Signature]) -> None:
    """Add to a bundle's signatures those it lacks; its digest stays, and whoever reads it meanwhile finds it whole."""
    if not signatures:
        return
    place = folder.resolve()
    with workshop(place.parent) as bench:
        _add(place, signatures, bench)


def _add(folder: Path, signatures: Sequence[Signature], bench: Path) -> None:
    present = read_signatures(folder)
    missing = [signature for signature in signatures if signature not in present]
    if not missing:
        return
    # Not beside it: until the rename, a file more would make the bundle one that was tampered with.
    aside = bench / SIGNATURE
    write_json(aside, signature_document([*present, *missing]))
    aside.replace(folder / SIGNATURE)
    sync_folder(folder)


def is_sound(folder: Path) -> bool:
    """Whether the bundle that `folder` is named after lies in it, every byte."""
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
