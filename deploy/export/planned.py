"""What the planner found, as a record: each precision's file, what became of it, and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deploy.edge.errors import UserError
from deploy.edge.files import sha256_file
from deploy.edge.spec import Plan
from inspection.records import Record

Fate = Literal["chosen", "kept", "refused", "pending"]


@dataclass(frozen=True)
class Precision:
    """One precision of the graph; `file` is None where it could not even be made.

    `fate` on this machine: `chosen` runs; `kept` travels in the bundle for other devices; `refused` stays behind.
    `sentence` says why. `golden_tolerance` bounds a probability's change on golden images. `made` is what the
    conversion noted: float islands, layers left out, clipping, and how sensitive its layers are if that was measured.
    """

    name: str
    file: Path | None
    sha256: str
    fate: Fate
    sentence: str
    golden_tolerance: float
    median_ms: float | None
    p95_ms: float | None
    times_fp32: float | None
    way: str
    made: dict[str, Any]


@dataclass(frozen=True)
class Timed:
    """The best way of one precision on one runtime, and how many times as fast it is as FP32 on ONNX Runtime.

    `low` and `high` bound that ratio with 95 % confidence; FP32 on ONNX Runtime itself is 1.
    """

    engine: str
    variant: str
    way: str
    median_ms: float
    p95_ms: float
    rounds: int
    times_fp32: float = 1.0
    low: float = 1.0
    high: float = 1.0


@dataclass(frozen=True)
class Planned(Record):
    """All precisions of one graph and how each engine is to run them.

    `calibration`: digest, count and classes of the images that set INT8's scales. `machine`: where speed was measured.
    """

    fp32: Path
    precisions: tuple[Precision, ...]
    plans: dict[str, Plan]
    calibration: dict[str, Any]
    machine: dict[str, Any]
    sentence: str
    fallback: Plan
    """How FP32 runs here, should the test set refuse what was chosen."""

    margins: dict[str, float]
    """Accuracy and recall that INT8 was allowed to cost: `max_loss`, `max_class_loss`."""

    timed: tuple[Timed, ...] = ()
    """Everything that was timed here, in turns; empty in plans of versions that kept only the sentences."""

    @property
    def travelling(self) -> tuple[Precision, ...]:
        """The precisions whose files go into the bundle."""
        return tuple(one for one in self.precisions if one.file and one.fate != "refused")

    @property
    def sentences(self) -> dict[str, str]:
        """Why each precision was chosen or not, by name."""
        return {one.name: one.sentence for one in self.precisions}

    def document(self) -> dict[str, Any]:
        """What the bundle says of it, without places of this machine."""
        said: dict[str, Any] = json.loads(self.to_json())
        del said["fp32"]
        for one in said["precisions"]:
            del one["file"]
        return said

    def check_files(self) -> None:
        """UserError unless the files that travel are still there and are those that were judged."""
        again = "export once more, files are made anew each time"
        files = {self.fp32: "", **{one.file: one.sha256 for one in self.travelling if one.file}}
        for file, sha256 in files.items():
            if not file.is_file():
                raise UserError(f"'{file}' was planned and is gone: {again}")
            if sha256 and sha256_file(file) != sha256:
                raise UserError(
                    f"'{file}' is not the file that was judged, it was changed: {again}"
                )

    def precision(self, name: str) -> Precision:
        """One of them by name."""
        return next(one for one in self.precisions if one.name == name)
