"""`plumbline monitor`: a prediction log through the monitor pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.config import RunConfig
from inspection.errors import Refused, UserError
from pipelines.door import load_config
from pipelines.launcher.client import open_zenml
from pipelines.launcher.launch import Flight, flight, output
from pipelines.output import Answer, stdout_is_stderr
from pipelines.settings import Settings

if TYPE_CHECKING:
    from data_checks.drift import DriftVerdict


def monitor_log(
    path: Path,
    changes: Sequence[str],
    log: Path,
    bundle: Path | None,
    *,
    settings: Settings,
    now: Callable[[], datetime],
) -> Answer:
    """Judge every prediction in `log` that `bundle` (else the champion) made; exit code 3 when it drifted."""
    config = load_config(path, changes, settings.variables, need_all=False)
    if not log.is_dir():
        raise UserError(f"{log}: no such folder; give what `plumbline-edge predict --log` wrote to")
    named = str(bundle.resolve()) if bundle else ""
    with stdout_is_stderr():
        from deploy.registry.models import bundle_to_watch

        folder = bundle_to_watch(settings.store, config.name, named)
        open_zenml(settings)
        with flight("monitor", config.name, settings.store, now) as trip:
            started = trip.record.started.isoformat()
            asked = parameters_of(config, log, folder, trip.folder, started, settings)
            made = _watch(trip, asked)
    return _answer(trip, made)


def parameters_of(
    config: RunConfig, log: Path, bundle: Path | None, folder: str, created: str, settings: Settings
) -> dict[str, Any]:
    """What the monitor pipeline is called with; its page goes to `folder`. Without `bundle`: the champion of then."""
    return {
        "config": config.monitor,
        "log": str(log.resolve()),
        "bundle": str(bundle) if bundle else "",
        "name": config.name,
        "folder": folder,
        "store": str(settings.store.root.resolve()),
        "drift": str(settings.store.drift.resolve()),
        "created": created,
    }


def _watch(trip: Flight, parameters: dict[str, Any]) -> dict[str, Any]:
    from pipelines.monitor import monitor

    run = trip.start(monitor, parameters)
    found, kept = output(run, "drift_verdict"), output(run, "drift_records")
    page = Path(output(run, "report"))
    made = {
        "report": str(page),
        "evidently": str(page.with_name("evidently.html")),
        "verdict": str(page.with_name("drift.json")),
        "bundle": parameters["bundle"],
        "images": sum(verdict.images for verdict in found.verdicts),
        "drifted": found.drifted,
        "confirmed": kept.confirmed,
        "sentence": found.sentence,
        "streams": [_stream(verdict) for verdict in found.verdicts],
    }
    refused = {"status": "refused", "sentence": found.sentence} if found.drifted else {}
    trip.note(made=made, **refused)
    return made


def _stream(verdict: DriftVerdict) -> dict[str, Any]:
    return {**vars(verdict), "signals": [vars(signal) for signal in verdict.signals]}


def _answer(trip: Flight, made: dict[str, Any]) -> Answer:
    drifted = made["drifted"]
    confirmed = ", confirmed by two of the last three batches" if made["confirmed"] else ""
    return Answer(
        document={"run": trip.record.name, "seconds": trip.record.seconds, **made},
        lines=[
            f"{'Drifted' if drifted else 'Steady'}   {made['sentence']}{confirmed}",
            f"Report    {made['report']}",
            f"Evidently {made['evidently']}",
            f"Verdict   {made['verdict']}",
        ],
        next=["plumbline report --open", "plumbline drift ui"],
        exit_code=Refused.exit_code if drifted else 0,
    )
