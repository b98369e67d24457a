"""Draw what monitoring found: our page, Evidently's distributions beside it, and the verdict as JSON."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from data_checks.drift import DriftVerdict
from data_checks.drift_reference import DriftReference
from data_checks.drift_report import drift_html
from deploy.edge.bundle import Bundle, load_drift_reference
from deploy.edge.files import write_bytes
from inspection.config import MonitorConfig
from inspection.reporting.monitor_report import MonitorReport, write_monitor_report

EVIDENTLY = "evidently.html"


@step(enable_cache=False)
def report_drift(
    batch: DriftReference,
    bundle: Bundle,
    verdict: DriftVerdict,
    period: str,
    monitor: MonitorConfig,
    name: str,
    folder: str,
    created: str,
) -> Annotated[str, "report"]:
    """The page's path; `drift.json` lies beside it."""
    place = Path(folder)
    reference = DriftReference.from_arrays(load_drift_reference(bundle))
    html = drift_html(batch, reference, classes=bundle.manifest.classes, config=monitor)
    write_bytes(place / EVIDENTLY, html.encode())
    verdict.save(place / "drift.json")
    found = MonitorReport(
        name=name,
        created=datetime.fromisoformat(created),
        drift=verdict,
        bundle_digest=bundle.digest,
        period=period,
        evidently=EVIDENTLY,
    )
    page = write_monitor_report(found, place / "report.html")
    log_metadata({"report": str(page)})
    return str(page)
