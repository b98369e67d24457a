"""Has what the camera sees moved away from what was learned?"""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from data_checks.drift import DriftVerdict
from data_checks.drift import detect_drift as detect
from data_checks.drift_reference import DriftReference
from deploy.edge.bundle import Bundle, load_drift_reference
from inspection.config import MonitorConfig


@step(enable_cache=False)
def detect_drift(
    batch: DriftReference, bundle: Bundle, monitor: MonitorConfig
) -> Annotated[DriftVerdict, "drift_verdict"]:
    """Statistics, predictions and embeddings against the bundle's own reference."""
    reference = DriftReference.from_arrays(load_drift_reference(bundle))
    verdict = detect(batch, reference, monitor, bundle.manifest.classes)
    log_metadata({"drifted": verdict.drifted, "sentence": verdict.sentence})
    return verdict
