"""Engines and timings on disk, believed only after their header has been held against this machine and their bytes.

A file is one JSON line (schema, key, size and SHA-256 of what follows) and then TensorRT's bytes. Covered, each with a
sentence and before TensorRT sees a byte: files cut short, bits flipped, engines of another GPU, driver, TensorRT or
model, whatever name they bear; two builders at once; a kill at any moment. Not covered: somebody who may write into
the folder, for an engine is a program: keep it the service's own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from deploy.edge.engines.tensorrt_key import EngineKey, differences
from deploy.edge.files import canonical_json, sha256_bytes, written_aside

SCHEMA = "plumbline engine 1"
MOST_HEADER_BYTES = 2**16
FOLDER_VARIABLE = "PLUMBLINE_ENGINES"

Say = Callable[[str], None]
"""One line for people."""


@dataclass(frozen=True)
class CachedFile:
    """`payload` is what TensorRT gave; `facts` what was measured when it was kept (such as `golden_gap`)."""

    path: Path
    payload: bytes
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Unfit:
    """A file that is not to be used, and why."""

    path: Path
    reason: str


def engine_folder(environment: Mapping[str, str]) -> Path:
    """Where engines are kept: $PLUMBLINE_ENGINES, else the user's cache."""
    if chosen := environment.get(FOLDER_VARIABLE, "").strip():
        return Path(chosen)
    base = environment.get("XDG_CACHE_HOME", "").strip()
    return (Path(base) if base else Path.home() / ".cache") / "plumbline" / "engines"


def enveloped(key: Mapping[str, Any], payload: bytes, facts: Mapping[str, Any]) -> bytes:
    """The bytes of a cache file."""
    header = {
        "schema": SCHEMA,
        "key": dict(key),
        "facts": dict(facts),
        "bytes": len(payload),
        "sha256": sha256_bytes(payload),
    }
    return canonical_json(header) + b"\n" + payload


def read_header(path: Path) -> dict[str, Any] | Unfit:
    """The header alone, of a file of any size."""
    with path.open("rb") as stream:
        line = stream.readline(MOST_HEADER_BYTES)
    try:
        header = json.loads(line)
        if header["schema"] != SCHEMA or not isinstance(header["key"], dict):
            return Unfit(path, "it is no engine file of this version")
    except (ValueError, KeyError, TypeError, RecursionError):
        return Unfit(path, "it does not begin with a header")
    return dict(header)


def read_file(path: Path, differs: Callable[[Mapping[str, Any]], str]) -> CachedFile | Unfit:
    """The file's payload if `differs` finds nothing against its key and every byte is as written."""
    header = read_header(path)
    if isinstance(header, Unfit):
        return header
    if apart := differs(header["key"]):
        return Unfit(path, f"it was built for another {apart}")
    with path.open("rb") as stream:
        stream.readline(MOST_HEADER_BYTES)
        payload = stream.read()
    if len(payload) != header.get("bytes"):
        return Unfit(path, f"it holds {len(payload)} bytes, {header.get('bytes')} were written")
    if sha256_bytes(payload) != header.get("sha256"):
        return Unfit(path, "its bytes were changed since it was written")
    facts = header.get("facts")
    return CachedFile(path, payload, dict(facts) if isinstance(facts, dict) else {})


def find_engine(
    folder: Path, key: EngineKey, *, any_options: bool = False
) -> tuple[CachedFile | None, list[Unfit]]:
    """A sound engine for this model on this machine, and what is wrong with those that were passed over.

    With `any_options` the newest that fits the machine will do, however many images it takes at a time.
    """
    exact = folder / key.file
    candidates = [exact] if exact.is_file() else []
    if any_options:
        others = (path for path in folder.glob(f"{key.model[:16]}-*.engine") if path != exact)
        candidates += sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    unfit: list[Unfit] = []
    for path in candidates:
        found = read_file(path, partial(differences, key, options=path == exact))
        if isinstance(found, CachedFile):
            return found, unfit
        unfit.append(found)
    return None, unfit


def keep(
    path: Path,
    key: Mapping[str, Any],
    payload: bytes,
    prove: Callable[[bytes], Mapping[str, Any]],
) -> CachedFile:
    """Put `payload` at `path` once `prove` has accepted what was read back from the disk; it gives the facts to keep.

    An error of `prove` leaves the folder as it was.
    """
    with written_aside(path) as aside:
        aside.write_bytes(enveloped(key, payload, {}))
        back = read_file(aside, lambda held: "" if dict(held) == dict(key) else "key")
        if isinstance(back, Unfit):
            raise OSError(f"'{path}' did not come back from the disk as written: {back.reason}")
        facts = dict(prove(back.payload))
        aside.write_bytes(enveloped(key, payload, facts))
    return CachedFile(path, payload, facts)


@contextlib.contextmanager
def only_builder(path: Path, say: Say) -> Iterator[None]:
    """Inside, nobody else builds `path`; what a killed builder left half-written is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is building {path.name}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in path.parent.glob(f".{path.name}.*"):
            left.unlink(missing_ok=True)
        yield


def timings(folder: Path, key: EngineKey, say: Say) -> bytes:
    """Kernel timings of this very machine, which shorten a build; empty where there are none that can be trusted."""
    path = folder / key.timing_file
    if not path.is_file():
        return b""
    found = read_file(path, lambda held: "" if dict(held) == key.machine else "machine")
    if isinstance(found, Unfit):
        say(f"{path.name} is not used: {found.reason}")
        return b""
    return found.payload


def keep_timings(folder: Path, key: EngineKey, payload: bytes) -> None:
    """For the next build on this machine."""
    if not payload:
        return
    with written_aside(folder / key.timing_file) as aside:
        aside.write_bytes(enveloped(key.machine, payload, {}))


def writable(folder: Path) -> bool:
    """Whether engines can be kept there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
