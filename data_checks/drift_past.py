"""Whole past logs cut into batches as they would have come, each judged against the bundle that ran.

Covered: streams apart, each batch with the images that filled it; what does not fill a last batch is not judged.
Not covered: logs of several bundles (those of other bundles are passed over).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from data_checks.drift import SEED, DriftVerdict, as_batch, judged
from data_checks.drift_calibration import Calibration
from data_checks.drift_reference import DriftReference
from data_checks.predictions import load_predictions, of_model, stream_names
from inspection.config import MonitorConfig
from inspection.errors import DataError

USUAL = 200
"""Images of a batch where the config names no number."""


@dataclass(frozen=True)
class PastBatch:
    """One batch of one stream, judged; `time` of its newest image."""

    time: datetime
    stream: str
    verdict: DriftVerdict


def judge_past(
    logs: Sequence[Path],
    digest: str,
    reference: DriftReference,
    config: MonitorConfig,
    classes: Sequence[str],
) -> list[PastBatch]:
    """Every full batch of bundle `digest`, oldest first; DataError when no stream fills one."""
    mine = of_model(pd.concat([load_predictions(log) for log in logs], ignore_index=True), digest)
    mine = mine.sort_values("time", kind="stable").reset_index(drop=True)
    size = config.batch_images or USUAL
    streams = stream_names(mine, config.streams)
    parts = [
        (str(name), rows)
        for name in sorted(set(streams.tolist()))
        for rows in _batches(mine[streams == name], size)
    ]
    if not parts:
        raise DataError(
            f"no stream of the log holds {size} images, which a batch takes: set monitor.batch_images lower"
        )
    shared = len({name for name, _ in parts})
    found = _judge(parts, reference, config, classes, size, shared)
    return sorted(found, key=lambda batch: (batch.time, batch.stream))


def _batches(rows: pd.DataFrame, size: int) -> Iterator[pd.DataFrame]:
    for start in range(0, len(rows) - size + 1, size):
        yield rows.iloc[start : start + size]


def _judge(
    parts: Sequence[tuple[str, pd.DataFrame]],
    reference: DriftReference,
    config: MonitorConfig,
    classes: Sequence[str],
    size: int,
    streams: int,
) -> Iterator[PastBatch]:
    calibration: Calibration | None = None
    for name, rows in parts:
        batch = as_batch(DriftReference.from_predictions(rows), reference, config, classes)
        known = min(batch.statistics.shape[1], reference.statistics.shape[1])
        if calibration is None:  # batches are of one size, so one calibration serves them all
            calibration = Calibration.of(reference, known, size, np.random.default_rng(SEED))
        verdict = judged(batch, reference, calibration, config.level(streams), classes)
        yield PastBatch(datetime.fromisoformat(str(rows["time"].max())), name, verdict)
