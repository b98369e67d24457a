"""Has what the camera sees moved away from what was learned?"""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from data_checks.drift import Watched, watch_streams
from data_checks.drift_reference import DriftReference
from deploy.edge.bundle import Bundle, load_drift_reference
from inspection.config import MonitorConfig


@step(enable_cache=False)
def detect_drift(
    batch: DriftReference, bundle: Bundle, monitor: MonitorConfig
) -> Annotated[Watched, "drift_verdict"]:
    """Statistics, predictions and embeddings of each stream against the bundle's own reference."""
    reference = DriftReference.from_arrays(load_drift_reference(bundle))
    found = watch_streams(batch, reference, monitor, bundle.manifest.classes)
    log_metadata({"drifted": found.drifted, "sentence": found.sentence})
    return found
