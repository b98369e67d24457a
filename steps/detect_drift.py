"""Has what the camera sees moved away from what was learned?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from data_checks.drift import Watched, watch_streams
from data_checks.drift_outcomes import told_outcomes, with_outcomes
from data_checks.drift_reference import DriftReference
from deploy.edge.bundle import load_drift_reference, open_bundle
from inspection.config import EconomicsConfig, MonitorConfig


@step(enable_cache=False)
def detect_drift(
    batch: DriftReference, bundle: str, monitor: MonitorConfig, economics: EconomicsConfig
) -> Annotated[Watched, "drift_verdict"]:
    """Statistics, predictions, embeddings and outcomes of each stream against the bundle's own reference."""
    opened = open_bundle(Path(bundle))
    reference = DriftReference.from_arrays(load_drift_reference(opened))
    classes, decision = opened.manifest.classes, opened.manifest.decision
    judged = watch_streams(batch, reference, monitor, classes)
    found = with_outcomes(judged, batch, reference, classes, decision, economics)
    decided = "; ".join(told_outcomes(found))
    log_metadata({"drifted": found.drifted, "sentence": found.sentence, "decided": decided})
    return found
