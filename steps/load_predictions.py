"""Read the device's log: the predictions that one bundle made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from data_checks.drift_batches import Arrived, read_batch
from data_checks.drift_reference import DriftReference
from deploy.edge.bundle import open_bundle
from deploy.registry.models import bundle_to_watch
from inspection.config import MonitorConfig
from inspection.store import Store


@step(enable_cache=False)
def load_predictions(
    log: str, named: str, name: str, store: str, monitor: MonitorConfig
) -> tuple[
    Annotated[DriftReference, "batch"],
    Annotated[str, "bundle_folder"],
    Annotated[Arrived, "arrived"],
]:
    """The batch as arrays; the folder of the bundle it is held against (`named`, else the champion); from when to when.

    The folder, because an artifact would keep a whole bundle per run; each step that opens it verifies it again.
    """
    bundle = open_bundle(bundle_to_watch(Store(Path(store)), name, named))
    batch, arrived = read_batch(Path(log), bundle.digest, monitor)
    log_metadata({"images": len(batch), "period": arrived.period})
    return batch, str(bundle.folder), arrived
