"""`plumbline report`: where a run's page lies, a copy of it, or the page itself in a browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from deploy.edge.files import write_bytes
from inspection.errors import UserError
from pipelines.commands.target import checked_target
from pipelines.launcher.run_records import RunRecord, all_runs, run_folder
from pipelines.output import Answer
from pipelines.settings import Settings, nearest

PAGE = "report.html"
LATEST = 5
"""Runs named to somebody who misspelt one."""


def find_report(run: str | None, out: Path | None, *, open_it: bool, settings: Settings) -> Answer:
    """The report of `run`, or of the latest run that has one."""
    record = _chosen(run, settings)
    page = run_folder(settings.store, record.name) / PAGE
    if out is not None:
        write_bytes(checked_target(out, ".html"), page.read_bytes())
        page = out.resolve()
    if open_it:
        webbrowser.open(page.as_uri())
    return Answer(
        document={"run": record.name, "status": record.status, "report": str(page)},
        lines=[f"Report of {record.name} ({record.status}): {page}"],
        next=[] if open_it else [f"plumbline report {record.name} --open"],
    )


def _chosen(run: str | None, settings: Settings) -> RunRecord:
    records = {record.name: record for record in all_runs(settings.store)}
    if run is not None and run not in records:
        meant = nearest(run, list(records)[: -1 - LATEST : -1])
        raise UserError(f"no run '{run}' in {settings.store.root}{meant}; `plumbline runs` has all")
    asked = [records[run]] if run is not None else list(records.values())
    written = [r for r in asked if (run_folder(settings.store, r.name) / PAGE).is_file()]
    if not written and run is not None:
        record = records[run]
        ended = f"{record.status}: {record.sentence}" if record.sentence else record.status
        raise UserError(f"run '{run}' has no report ({ended})")
    if not written:
        raise UserError(f"no report in {settings.store.root} yet: run a config")
    return written[-1]
