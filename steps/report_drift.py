"""Draw what monitoring found: our page, Evidently's distributions beside it, and the verdict as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from data_checks.drift import Watched
from data_checks.drift_batches import Arrived
from data_checks.drift_reference import DriftReference
from data_checks.drift_report import report_streams
from deploy.edge.bundle import load_drift_reference, open_bundle
from inspection.reporting.monitor_report import MonitorReport, write_monitor_report
from inspection.reporting.occasion import Occasion


@step(enable_cache=False)
def report_drift(
    batch: DriftReference,
    bundle: str,
    found: Watched,
    arrived: Arrived,
    name: str,
    folder: str,
    workspace: str,
    created: str,
) -> Annotated[str, "report"]:
    """The page's path; `drift.json` lies beside it; Evidently's workspace keeps its snapshots."""
    at, opened = Occasion.of(created, folder), open_bundle(Path(bundle))
    reference = DriftReference.from_arrays(load_drift_reference(opened))
    pages = report_streams(
        batch,
        reference,
        found,
        opened.manifest.classes,
        at.folder,
        (Path(workspace), name, at.moment),
    )
    found.save(at.folder / "drift.json")
    told = MonitorReport(name, at.moment, found, opened.digest, arrived.period, pages)
    page = write_monitor_report(told, at.folder / "report.html")
    log_metadata({"report": str(page)})
    return str(page)
