"""Read the device's log: the predictions that one bundle made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from data_checks.drift_reference import DriftReference
from data_checks.predictions import load_predictions as load
from data_checks.predictions import of_model
from deploy.edge.bundle import Bundle, open_bundle


@step(enable_cache=False)
def load_predictions(
    log: str, bundle_folder: str
) -> tuple[
    Annotated[DriftReference, "batch"], Annotated[Bundle, "bundle"], Annotated[str, "period"]
]:
    """The batch as arrays, the verified bundle it is held against, and from when to when."""
    bundle = open_bundle(Path(bundle_folder))
    predictions = of_model(load(Path(log)), bundle.digest)
    period = f"{predictions['time'].min()} to {predictions['time'].max()}"
    log_metadata({"images": len(predictions), "period": period})
    return DriftReference.from_predictions(predictions), bundle, period
