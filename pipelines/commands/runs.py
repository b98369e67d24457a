"""`plumbline runs`: the store's runs, read from their records; ZenML need not be woken for it."""

from __future__ import annotations

from pipelines.commands.report import PAGE
from pipelines.launcher.run_records import RunRecord, all_runs, run_folder
from pipelines.output import Answer, Table
from pipelines.settings import Settings


def list_runs(last: int, settings: Settings) -> Answer:
    """The latest runs, oldest first."""
    records = all_runs(settings.store)[-last:]
    if not records:
        return Answer(
            {"runs": []},
            [f"No runs yet in {settings.store.root}."],
            next=["plumbline run configs/demo.yaml"],
        )
    reported = [r.name for r in records if (run_folder(settings.store, r.name) / PAGE).is_file()]
    return Answer(
        document={"runs": [_document(record) for record in records]},
        table=Table(
            ("run", "pipeline", "status", "seconds", "steps", "why"), [_row(r) for r in records]
        ),
        next=[f"plumbline report {name}" for name in reported[-1:]],
    )


def _document(record: RunRecord) -> dict[str, object]:
    return {
        "name": record.name,
        "pipeline": record.pipeline,
        "config": record.config,
        "status": record.status,
        "started": record.started.isoformat(),
        "seconds": record.seconds,
        "steps": dict(record.steps),
        "made": dict(record.made),
        "sentence": record.sentence,
    }


def _row(record: RunRecord) -> tuple[str, ...]:
    cached = sum(status == "cached" for status in record.steps.values())
    steps = f"{len(record.steps)} ({cached} cached)" if record.steps else ""
    seconds = "" if record.seconds is None else f"{record.seconds:.0f}"
    why = (record.sentence.splitlines() or [""])[0]
    return (record.name, record.pipeline, record.status, seconds, steps, why)
