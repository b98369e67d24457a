"""The watch: a device's prediction log against the drift reference of the bundle that wrote it. Nothing is cached."""

from __future__ import annotations

from zenml import pipeline
from zenml.enums import ExecutionMode

from inspection.config import MonitorConfig
from materializers.bundle import BundleMaterializer
from materializers.drift_reference import DriftReferenceMaterializer
from materializers.records import RecordMaterializer
from pipelines.launcher.hooks import say_failure, say_start
from steps.detect_drift import detect_drift
from steps.load_predictions import load_predictions
from steps.report_drift import report_drift

MATERIALIZERS = (BundleMaterializer, DriftReferenceMaterializer, RecordMaterializer)
"""Importing them teaches ZenML our types."""


@pipeline(
    name="monitor",
    enable_cache=False,
    execution_mode=ExecutionMode.FAIL_FAST,
    on_start=say_start,
    on_failure=say_failure,
)
def monitor(
    config: MonitorConfig, log: str, bundle: str, name: str, folder: str, created: str
) -> None:
    """Read, judge, draw."""
    batch, opened, period = load_predictions(log, bundle)
    verdict = detect_drift(batch, opened, config)
    report_drift(batch, opened, verdict, period, config, name, folder, created)
