"""The watch: a device's prediction log against the drift reference of the bundle that wrote it. Nothing is cached."""

from __future__ import annotations

from zenml import pipeline
from zenml.enums import ExecutionMode

from inspection.config import EconomicsConfig, LoopConfig, MonitorConfig
from materializers.drift_reference import DriftReferenceMaterializer
from materializers.records import RecordMaterializer
from pipelines.launcher.hooks import say_failure, say_start
from steps.detect_drift import detect_drift
from steps.load_predictions import load_predictions
from steps.record_drift import record_drift
from steps.report_drift import report_drift

MATERIALIZERS = (DriftReferenceMaterializer, RecordMaterializer)
"""Importing them teaches ZenML our types."""


@pipeline(
    name="monitor",
    enable_cache=False,
    execution_mode=ExecutionMode.FAIL_FAST,
    on_start=say_start,
    on_failure=say_failure,
)
def monitor(
    config: MonitorConfig,
    economics: EconomicsConfig,
    loop: LoopConfig,
    log: str,
    bundle: str,
    name: str,
    folder: str,
    store: str,
    drift: str,
    created: str,
) -> None:
    """Read, judge, draw, remember; `drift` is the store's room for what the monitor found.

    Of `loop` only the rule that confirms a drift is meant.
    """
    batch, opened, arrived = load_predictions(log, bundle, name, store, config)
    found = detect_drift(batch, opened, config, economics)
    workspace, history = f"{drift}/evidently", f"{drift}/records"
    report = report_drift(batch, opened, found, arrived, name, folder, workspace, created)
    record_drift(found, opened, arrived, loop, name, history, report)
