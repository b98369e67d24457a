"""A run that a gate stopped half-way still gets its page: what was found until then, and the sentence that ended it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inspection.config import RunConfig
from inspection.errors import DataError, ParityError
from pipelines.commands.report import PAGE
from pipelines.launcher.launch import Flight

FIELDS = {
    "checks": "gate_report",
    "duplicates": "duplicate_report",
    "leaks": "leak_report",
    "features": "features",
    "searched": "searched",
    "training": "student",
}
"""Fields of the report, by the artifact that fills them."""
INDEXES = ("split_index", "grouped_index", "checked_index", "raw_index")
"""The index as far as it came, latest first."""


@contextlib.contextmanager
def explained(trip: Flight, config: RunConfig, command: str) -> Iterator[None]:
    """When a gate inside the pipeline refuses, write the page, say where it lies, and let the refusal go on."""
    try:
        yield
    except (DataError, ParityError) as refusal:
        page = _write(trip, config, command, str(refusal))
        if page is not None:
            print(f"Report of what was found until then: {page}", file=sys.stderr)
        raise


def _write(trip: Flight, config: RunConfig, command: str, sentence: str) -> Path | None:
    from inspection.reporting.report import write_report
    from inspection.reporting.run_report import RunReport

    found = _artifacts(trip.record.name)
    index = next((found[name] for name in INDEXES if name in found), None)
    if index is None:
        return None
    known = {field: found[name] for field, name in FIELDS.items() if name in found}
    report = RunReport(
        name=config.name,
        created=trip.record.started,
        config=config,
        index=index,
        command=command,
        stopped=sentence,
        **known,
    )
    page = write_report(report, Path(trip.folder) / PAGE)
    trip.note(made={"report": str(page)})
    return page


def _artifacts(run: str) -> dict[str, Any]:
    """Everything the finished steps of `run` made that the page can show."""
    from zenml.client import Client

    wanted = {*FIELDS.values(), *INDEXES}
    steps = Client().get_pipeline_run(run).steps.values()
    return {
        name: versions[0].load()
        for step in steps
        for name, versions in step.outputs.items()
        if name in wanted
    }
