"""`plumbline export`: a finished run's student through the export pipeline."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.config import RunConfig
from inspection.errors import Refused, UserError
from pipelines.caching import code_fingerprint
from pipelines.commands.gated import noted, registered
from pipelines.commands.keys import check_keys
from pipelines.door import load_config
from pipelines.finished_runs import chosen_records
from pipelines.launcher.client import open_zenml
from pipelines.launcher.launch import Flight, flight, output
from pipelines.launcher.run_records import RunRecord, all_runs
from pipelines.output import Answer, stdout_is_stderr
from pipelines.settings import Settings

if TYPE_CHECKING:
    from zenml.client import Client

    from pipelines.export import Made

NEEDED = {
    "index": "split_index",
    "test_set": "test_set",
    "teacher": "teacher",
    "student": "student",
}


def export_run(
    path: Path,
    changes: Sequence[str],
    run: str | None,
    *,
    settings: Settings,
    now: Callable[[], datetime],
) -> Answer:
    """Plan, certify, gate, register and compile the student of `run` (else the config's latest); 3 when refused."""
    asked = load_config(path, changes, settings.variables, need_all=False)
    record = chosen_records([run], settings)[0] if run else _latest(asked.name, settings)
    check_keys(settings.store)
    with stdout_is_stderr():
        client = open_zenml(settings)
        config = _as_trained(client, record, asked)
        with flight("export", config.name, settings.store, now) as trip:
            named = ["--run", run] if run else []
            command = shlex.join(["plumbline", "export", str(path), *changes, *named])
            made = _fly(trip, config, _artifacts(client, record), command, settings)
    return _answer(trip, record, made)


def _latest(name: str, settings: Settings) -> RunRecord:
    found = [
        record
        for record in all_runs(settings.store)
        if record.pipeline == "train" and record.config == name and "digest" in record.made
    ]
    if not found:
        raise UserError(
            f"no finished run of '{name}' in {settings.store.root}: run its config first"
        )
    return found[-1]


def _as_trained(client: Client, record: RunRecord, asked: RunConfig) -> RunConfig:
    """The run's own config; what to export and what to allow are as asked for now.

    The gate lets INT8 cost what the export declares.
    """
    steps = client.get_pipeline_run(record.name).steps
    trained = RunConfig.model_validate(steps["register_model"].config.parameters["config"])
    allowed = max(asked.gate.max_conversion_loss, asked.export.max_loss)
    gate = asked.gate.model_copy(update={"max_conversion_loss": allowed})
    return trained.model_copy(update={"export": asked.export, "gate": gate})


def _artifacts(client: Client, record: RunRecord) -> Made:
    from pipelines.export import Made

    steps = client.get_pipeline_run(record.name).steps.values()
    found = {name: str(made[0].id) for step in steps for name, made in step.outputs.items()}
    return Made(**{key: found[name] for key, name in NEEDED.items()})


def _fly(
    trip: Flight, config: RunConfig, made: Made, command: str, settings: Settings
) -> dict[str, Any]:
    from deploy.export.keys import edge_options
    from deploy.export.precision_rows import as_certified
    from pipelines.export import Told, export

    run = trip.start(
        export,
        {
            "config": config,
            "made": made,
            "store": str(settings.store.root),
            "code": code_fingerprint(),
            "run": trip.record.name,
            "told": Told(
                folder=trip.folder, created=trip.record.started.isoformat(), command=command
            ),
        },
    )
    release = output(run, "release")
    planned = as_certified(output(run, "planned"), release.certificate.rows)
    verdict, enrolment = output(run, "gate_verdict"), output(run, "enrolment")
    compiled = output(run, "compiled")
    found = {
        "report": output(run, "report"),
        "bundle": str(release.folder),
        "digest": release.digest,
        "plan": planned.sentence,
        "precisions": [
            {"name": one.name, "fate": one.fate, "sentence": one.sentence}
            for one in planned.precisions
        ],
        "certificate": [
            {"conversion": row.conversion, "status": row.status, "reason": row.reason}
            for row in release.certificate.rows
        ],
        "student": release.evaluation.summary,
        "gate": {"passed": verdict.passed, "sentence": verdict.sentence},
        "model": enrolment.name,
        "version": enrolment.version,
        "aliases": list(enrolment.aliases),
        "tensorrt": {"status": compiled.status, "reason": compiled.reason},
        "edge_options": edge_options(release.folder),
    }
    return noted(trip, found)


def _answer(trip: Flight, record: RunRecord, made: dict[str, Any]) -> Answer:
    passed = made["gate"]["passed"]
    rows = made["certificate"]
    count = {state: sum(row["status"] == state for row in rows) for state in ("passed", "pending")}
    tensorrt = made["tensorrt"]
    return Answer(
        document={
            "run": trip.record.name,
            "of": record.name,
            "seconds": trip.record.seconds,
            **made,
        },
        lines=[
            f"Plan         {made['plan']}",
            *(f"             {one['sentence']}" for one in made["precisions"]),
            f"Certificate  {count['passed']} conversions passed, {count['pending']} pending",
            f"Gate         {made['gate']['sentence']}",
            f"Registered   {registered(made)}",
            f"TensorRT     {tensorrt['status']}: {tensorrt['reason']}",
            f"Bundle       {made['bundle']}",
            f"Report       {made['report']}",
        ],
        next=_next(made, passed=passed),
        exit_code=0 if passed else Refused.exit_code,
    )


def _next(made: dict[str, Any], *, passed: bool) -> list[str]:
    if not passed:
        return ["plumbline runs"]
    return [f"plumbline-edge verify {made['bundle']} {made['edge_options']}"]
