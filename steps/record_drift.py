"""Keep what monitoring found, so that the next look knows of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from data_checks.drift import Watched
from data_checks.drift_batches import Arrived
from data_checks.drift_history import Batch, Remembered, remember
from deploy.edge.bundle import open_bundle
from inspection.config import LoopConfig


@step(enable_cache=False)
def record_drift(
    found: Watched,
    bundle: str,
    arrived: Arrived,
    loop: LoopConfig,
    name: str,
    history: str,
    report: str,
) -> Annotated[Remembered, "drift_records"]:
    """One record per stream below `history`; `loop` says how many batches with an alarm confirm a drift."""
    batch = Batch(name, open_bundle(Path(bundle)).digest, arrived.newest, report)
    kept = remember(Path(history), found, batch, loop)
    log_metadata({"confirmed": kept.confirmed})
    return kept
