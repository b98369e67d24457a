"""The part of a prediction log that one look judges: one bundle's newest images, by line and camera.

Covered: an empty log, a log of other bundles, fewer images than wanted (what there is is given). Not covered: whether
there are enough; `drift.watch_streams` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data_checks.drift_reference import DriftReference
from data_checks.predictions import load_predictions, newest, of_model, stream_names
from inspection.config import MonitorConfig
from inspection.records import Record


@dataclass(frozen=True)
class Arrived(Record):
    """When the images of a batch were judged on the device: `newest` by stream, ISO 8601; `period` in words."""

    period: str
    newest: dict[str, str]


def read_batch(log: Path, digest: str, config: MonitorConfig) -> tuple[DriftReference, Arrived]:
    """What bundle `digest` wrote below `log`, as arrays with their streams; DataError when it wrote nothing."""
    mine = of_model(load_predictions(log), digest)
    kept = newest(mine, stream_names(mine, config.streams), config.batch_images)
    streams = stream_names(kept, config.streams)
    times = kept["time"].groupby(streams).max()
    period = f"{kept['time'].min()} to {kept['time'].max()}"
    arrived = Arrived(period, {str(stream): str(time) for stream, time in times.items()})
    return DriftReference.from_predictions(kept, streams), arrived
