"""Draw the export as one offline page."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from deploy.export.certification_set import set_file
from deploy.export.compiled import Compiled
from deploy.export.keys import edge_options
from deploy.export.planned import Planned
from deploy.export.precision_rows import as_certified
from deploy.export.release import Release
from inspection.evaluation.gate import GateVerdict
from inspection.reporting.export_report import write_export_report as draw
from inspection.reporting.export_run import ExportReport
from inspection.store import Store


@step(enable_cache=False)
def write_export_report(
    planned: Planned,
    release: Release,
    verdict: GateVerdict,
    compiled: Compiled,
    name: str,
    store: str,
    folder: str,
    created: str,
    command: str,
) -> Annotated[str, "report"]:
    """The page's path."""
    report = ExportReport(
        name=name,
        created=datetime.fromisoformat(created),
        plan=as_certified(planned, release.certificate.rows),
        certificate=release.certificate,
        gate=verdict,
        bundle=str(release.folder),
        held=str(set_file(Store(Path(store)), release.digest)),
        edge_options=edge_options(release.folder),
        compiled=(compiled.status, compiled.reason),
        command=command,
    )
    page = draw(report, Path(folder) / "report.html")
    log_metadata({"report": str(page)})
    return str(page)
