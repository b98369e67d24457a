"""Every prediction as a JSON line, in segments that survive a kill. The drift monitor reads them.

Covered: a kill at any moment tears at most the last line of a segment; a full disk leaves no part of a line; several
writers use one folder, each its own segment. Not covered: a power cut may take the last second (flushed once a second).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from deploy.edge.errors import UserError
from deploy.edge.files import sync_folder

if TYPE_CHECKING:  # who only reads a log needs neither OpenCV nor a runtime
    from deploy.edge.inspector import Inspection

SEGMENTS = "predictions-*.jsonl"
MAX_BYTES = 64 * 2**20
FLUSH_SECONDS = 1.0


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class PredictionLog:
    """Appends predictions to `folder`; a segment is closed before it would pass `max_bytes`.

    `origin`: where the images come from (`camera`, `line`, `session`); it stands in every record.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = MAX_BYTES,
        now: Callable[[], datetime] = utc_now,
        origin: Mapping[str, str] | None = None,
    ) -> None:
        if max_bytes < 1:
            raise UserError(f"a log segment must hold 1 byte or more, got {max_bytes}")
        self.folder = folder
        self.max_bytes = max_bytes
        self._now = now
        self._origin = dict(origin or {})
        self._descriptor: int | None = None
        self._size = 0
        self._flushed = 0.0
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def append(
        self, inspection: Inspection, *, image_id: str, path: str, model: str
    ) -> dict[str, Any]:
        """Log one prediction and give its record; `image_id`: hash of the file's bytes, `model`: bundle digest."""
        record = prediction_record(
            inspection, image_id=image_id, path=path, model=model, now=self._now()
        )
        record |= self._origin
        self.write(record)
        return record

    def write(self, record: dict[str, Any]) -> None:
        """Append one record as one line, with one system call."""
        line = (json.dumps(record, allow_nan=False) + "\n").encode()
        with _explained(self.folder):
            if self._descriptor is None:
                self._open(_last_segment(self.folder), len(line))
            elif self._size and self._size + len(line) > self.max_bytes:
                self.close()
                self._open(None, len(line))
            self._put(line)

    def close(self) -> None:
        """Flush to the disk and let the segment go; the next write opens one again."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            with _explained(self.folder):
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, last: Path | None, room: int) -> None:
        """Go on with the last segment if it is whole, free and has room; else begin the next number."""
        if last is not None and self._take(last, room):
            return
        number = _number(_last_segment(self.folder)) + 1
        while not self._create(self.folder / f"predictions-{number:06d}.jsonl"):
            number += 1  # another writer was faster
        sync_folder(self.folder)

    def _create(self, path: Path) -> bool:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        return self._lock(descriptor)

    def _take(self, last: Path, room: int) -> bool:
        if not self._lock(os.open(last, os.O_RDWR | os.O_APPEND)):
            return False
        assert self._descriptor is not None
        full = self._size and self._size + room > self.max_bytes
        torn = self._size and os.pread(self._descriptor, 1, self._size - 1) != b"\n"
        if full or torn:  # what follows a torn line would be lost with it
            self.close()
        return not (full or torn)

    def _lock(self, descriptor: int) -> bool:
        """Make the segment ours, unless a living writer holds it; the lock dies with its process."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor, self._size = descriptor, os.fstat(descriptor).st_size
        return True

    def _put(self, line: bytes) -> None:
        assert self._descriptor is not None
        try:
            written = os.write(self._descriptor, line)
            if written < len(line):  # the disk filled up: the next attempt says so
                written += os.write(self._descriptor, line[written:])
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += written
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            os.fsync(self._descriptor)
            self._flushed = time.monotonic()


def prediction_record(
    inspection: Inspection, *, image_id: str, path: str, model: str, now: datetime
) -> dict[str, Any]:
    """The line that is logged; float32 values are spelled as shortly as gives them back exactly."""
    return {
        "time": now.isoformat(timespec="milliseconds"),
        "image_id": image_id,
        "path": path,
        "model": model,
        "label": inspection.verdict.label,
        "confidence": _short(inspection.verdict.confidence),
        "outcome": inspection.verdict.outcome,
        "probabilities": _short_all(inspection.probabilities),
        "embedding": _short_all(inspection.embedding),
        **{name: _short(value) for name, value in asdict(inspection.statistics).items()},
        "latency_ms": round(inspection.latency_ms, 3),
    }


def read_predictions(folder: Path) -> Iterator[dict[str, Any]]:
    """Every complete record in the order written; one torn last line per segment is passed over."""
    if not folder.is_dir():
        raise UserError(f"no prediction log '{folder}': give the folder that `predict --log` wrote")
    for segment in segments(folder):
        with segment.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                record = _parsed(line)
                if record is not None:
                    yield record
                elif line.endswith(b"\n"):  # else the writer was killed in the middle of it
                    raise UserError(
                        f"line {number} of '{segment}' is damaged: move that segment away"
                    )


def segments(folder: Path) -> list[Path]:
    """The log's files, oldest first."""
    return sorted(folder.glob(SEGMENTS), key=_number)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _last_segment(folder: Path) -> Path | None:
    return next(reversed(segments(folder)), None)


def _number(segment: Path | None) -> int:
    digits = segment.stem.rpartition("-")[2] if segment else ""
    return int(digits) if digits.isdecimal() else 0


def _short(number: float) -> float:
    return float(str(np.float32(number)))


def _short_all(numbers: npt.NDArray[np.float32]) -> list[float]:
    return [_short(number) for number in numbers]


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write the prediction log '{folder}' ({error.strerror or error}): free the disk or choose another"
        ) from error
