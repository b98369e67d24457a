"""What the monitor found before: a small JSON per batch and stream, for status pages and for the choice to retrain.

Covered: the same batch judged twice is one record; a record is whole or absent; how many of a stream's last batches
confirm a drift is the loop's rule, and each record says by which it was judged. Not covered: batches of different
bundles are never counted together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from data_checks.drift import DriftVerdict, Watched
from deploy.edge.files import canonical_json, sha256_bytes
from inspection.config import LoopConfig
from inspection.errors import DataError
from inspection.evaluation.confirming import confirms
from inspection.evaluation.in_service import InService
from inspection.records import Record

EVERYTHING = "all"


@dataclass(frozen=True)
class Moved(Record):
    """A signal of a batch: its p-value among all signals, and how far it moved."""

    name: str
    score: float
    effect: float


@dataclass(frozen=True)
class Alarm(Record):
    """The newest batch that drifted, of a stream whose drift is confirmed; `report`: its page."""

    time: str
    cause: str
    remedy: str
    report: str


@dataclass(frozen=True)
class BatchRecord(Record):
    """One batch of one stream. `time`: of its newest image, ISO 8601, UTC; `stream` is empty where the log names none.

    `drifted`: this batch alone raised an alarm; `confirmed`: `confirm` of the last `window` did. `level`: the chance of
    a false alarm that the batch had. `report`: the page's path, as it was then. `decided`: what was accepted, rejected
    and reviewed; None without a good class, and in records from before it was kept. `still`: of a calm batch, the
    drift of its stream that is confirmed all the same.
    """

    time: str
    name: str
    bundle: str
    stream: str
    images: int
    drifted: bool
    confirmed: bool
    cause: str
    remedy: str
    level: float
    signals: tuple[Moved, ...]
    sentence: str
    report: str
    decided: InService | None = None
    confirm: int = 2
    window: int = 3
    still: Alarm | None = None


@dataclass(frozen=True)
class Batch:
    """Which batch it was: of `name`, judged for `bundle` (digest); `time` of its newest image by stream."""

    name: str
    bundle: str
    times: dict[str, str]
    report: str


@dataclass(frozen=True)
class Remembered(Record):
    """The records of one look, a stream each."""

    records: tuple[BatchRecord, ...]

    @property
    def confirmed(self) -> bool:
        """Whether any stream's drift is."""
        return any(record.confirmed for record in self.records)


def remember(folder: Path, found: Watched, batch: Batch, rule: LoopConfig) -> Remembered:
    """Write one record per stream below `folder` and give them; `rule` says what confirms a drift."""
    return Remembered(
        tuple(_remembered(folder, verdict, batch, rule) for verdict in found.verdicts)
    )


def history(
    folder: Path, name: str, *, stream: str | None = None, bundle: str | None = None
) -> tuple[BatchRecord, ...]:
    """All records of `name`, oldest first; DataError for one that cannot be read."""
    records = [_read(path) for path in _files(folder / quote(name, safe=""))]
    kept = [
        record
        for record in records
        if stream in (None, record.stream) and bundle in (None, record.bundle)
    ]
    return tuple(sorted(kept, key=lambda record: (record.time, record.stream)))


def _remembered(folder: Path, verdict: DriftVerdict, batch: Batch, rule: LoopConfig) -> BatchRecord:
    time = batch.times[verdict.stream]
    known = history(folder, batch.name, stream=verdict.stream, bundle=batch.bundle)
    earlier = [record for record in known if record.time < time]
    confirmed = confirms((*(record.drifted for record in earlier), verdict.drifted), rule)
    record = BatchRecord(
        time=time,
        name=batch.name,
        bundle=batch.bundle,
        stream=verdict.stream,
        images=verdict.images,
        drifted=verdict.drifted,
        confirmed=confirmed,
        cause=verdict.cause,
        remedy=verdict.remedy,
        level=verdict.signals[0].threshold,
        signals=tuple(Moved(one.name, one.score, one.effect) for one in verdict.signals),
        sentence=verdict.sentence,
        report=batch.report,
        decided=verdict.decided,
        confirm=rule.confirm,
        window=rule.window,
        still=_newest_alarm(earlier) if confirmed and not verdict.drifted else None,
    )
    record.save(_place(folder, record))
    return record


def _newest_alarm(earlier: Sequence[BatchRecord]) -> Alarm:
    newest = [record for record in earlier if record.drifted][-1]
    return Alarm(newest.time, newest.cause, newest.remedy, newest.report)


def _place(folder: Path, record: BatchRecord) -> Path:
    """Named by what was judged, so that the same batch replaces its own record."""
    judged = [record.bundle, record.stream, record.time, record.images]
    key = sha256_bytes(canonical_json(judged))[:16]
    stream = quote(record.stream or EVERYTHING, safe="")
    return folder / quote(record.name, safe="") / stream / f"{key}.json"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("*/*.json")) if not path.name.startswith("."))


def _read(path: Path) -> BatchRecord:
    try:
        return BatchRecord.load(path)
    except ValueError as error:
        raise DataError(f"'{path}' is no record of the monitor: move it away") from error
