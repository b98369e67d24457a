"""What the launcher knows of each run, as one JSON beside the run's report: readable without ZenML.

ZenML keeps artifacts, steps and cache; this record keeps what ZenML cannot: who ran it, and how it ended.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from inspection.records import Record
from inspection.store import Store
from pipelines.launcher.process import ProcessMark

RECORD = "run.json"
Status = Literal["running", "completed", "refused", "failed", "stopped", "killed"]


@dataclass(frozen=True)
class RunRecord(Record):
    """One run; `made` names what it left behind (report, bundle, model …).

    Of a grid's cell: `recipe` is its name without the seed, `asked` the content address of all that decides it.
    """

    name: str
    pipeline: str
    config: str
    started: datetime
    process: ProcessMark
    status: Status = "running"
    ended: datetime | None = None
    sentence: str = ""
    steps: Mapping[str, str] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""
    asked: str = ""

    @property
    def seconds(self) -> float | None:
        """Wall time, once ended."""
        return None if self.ended is None else (self.ended - self.started).total_seconds()

    @property
    def observed(self) -> RunRecord:
        """The record as it is now: `running` by a process that is gone means `killed`."""
        if self.status != "running" or not self.process.gone:
            return self
        said = "the process was killed; run it again: finished steps are not repeated"
        return dataclasses.replace(self, status="killed", sentence=said)

    def write(self, store: Store) -> None:
        """Save in the run's folder."""
        self.save(store.runs / self.name / RECORD)


def all_runs(store: Store) -> list[RunRecord]:
    """Every recorded run, oldest first, each as it is now."""
    return [record.observed for record in written_runs(store)]


def written_runs(store: Store) -> list[RunRecord]:
    """Every recorded run, oldest first, as its own process wrote it last."""
    records = [RunRecord.load(path) for path in store.runs.glob(f"*/{RECORD}")]
    return sorted(records, key=lambda record: (record.started, record.name))


def run_folder(store: Store, name: str) -> Path:
    """Where a run puts what it makes."""
    return store.runs / name
