"""Draw what monitoring found: our page, Evidently's distributions beside it, and the verdict as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from data_checks.drift import Watched
from data_checks.drift_batches import Arrived
from data_checks.drift_reference import DriftReference
from data_checks.drift_report import report_streams
from deploy.edge.bundle import Bundle, load_drift_reference
from inspection.reporting.monitor_report import MonitorReport, write_monitor_report
from inspection.reporting.occasion import Occasion


@step(enable_cache=False)
def report_drift(
    batch: DriftReference,
    bundle: Bundle,
    found: Watched,
    arrived: Arrived,
    name: str,
    folder: str,
    workspace: str,
    created: str,
) -> Annotated[str, "report"]:
    """The page's path; `drift.json` lies beside it; Evidently's workspace keeps its snapshots."""
    at = Occasion.of(created, folder)
    reference = DriftReference.from_arrays(load_drift_reference(bundle))
    pages = report_streams(
        batch,
        reference,
        found,
        bundle.manifest.classes,
        at.folder,
        (Path(workspace), name, at.moment),
    )
    found.save(at.folder / "drift.json")
    told = MonitorReport(name, at.moment, found, bundle.digest, arrived.period, pages)
    page = write_monitor_report(told, at.folder / "report.html")
    log_metadata({"report": str(page)})
    return str(page)
