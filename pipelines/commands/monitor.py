"""`plumbline monitor`: a prediction log through the monitor pipeline."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from inspection.config import RunConfig
from inspection.errors import Refused, UserError
from inspection.evaluation.confirming import rule_words
from pipelines.door import load_config
from pipelines.launcher.client import open_zenml
from pipelines.launcher.launch import Flight, flight, output
from pipelines.output import Answer, stdout_is_stderr
from pipelines.settings import Settings


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
        from deploy.registry.measured import champion_economics
        from deploy.registry.models import bundle_to_watch

        folder = bundle_to_watch(settings.store, config.name, named)
        # Of a bundle that was named the registry need not know, nor be there.
        known = None if named else champion_economics(settings.store, config.name)
        open_zenml(settings)
        with flight("monitor", config.name, settings.store, now) as trip:
            started = trip.record.started.isoformat()
            asked = parameters_of(config, log, folder, trip.folder, started, settings)
            made = _watch(trip, asked, known.sentence if known else "")
    return _answer(trip, made)


def parameters_of(
    config: RunConfig, log: Path, bundle: Path | None, folder: str, created: str, settings: Settings
) -> dict[str, Any]:
    """What the monitor pipeline is called with; its page goes to `folder`. Without `bundle`: the champion of then."""
    return {
        "config": config.monitor,
        "economics": config.economics,
        "loop": config.loop,
        "log": str(log.resolve()),
        "bundle": str(bundle) if bundle else "",
        "name": config.name,
        "folder": folder,
        "store": str(settings.store.root.resolve()),
        "drift": str(settings.store.drift.resolve()),
        "created": created,
    }


def _watch(trip: Flight, parameters: dict[str, Any], at_the_gate: str) -> dict[str, Any]:
    from data_checks.drift_outcomes import told_outcomes
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
        "confirmed_here": any(one.confirmed and one.drifted for one in kept.records),
        "still": [{"stream": one.stream, **vars(one.still)} for one in kept.records if one.still],
        "confirmed_by": rule_words(parameters["loop"].confirm, parameters["loop"].window),
        "sentence": found.sentence,
        "decided": told_outcomes(found),
        "at_the_gate": at_the_gate,
        "streams": [dataclasses.asdict(verdict) for verdict in found.verdicts],
    }
    refused = {"status": "refused", "sentence": found.sentence} if found.drifted else {}
    trip.note(made=made, **refused)
    return made


def _answer(trip: Flight, made: dict[str, Any]) -> Answer:
    drifted = made["drifted"]
    return Answer(
        document={"run": trip.record.name, "seconds": trip.record.seconds, **made},
        lines=[
            *verdict_lines(made),
            *(f"Decided   {sentence}" for sentence in made["decided"]),
            *([f"Gate      {made['at_the_gate']}"] if made["at_the_gate"] else []),
            f"Report    {made['report']}",
            f"Evidently {made['evidently']}",
            f"Verdict   {made['verdict']}",
        ],
        next=["plumbline report --open", "plumbline drift ui"],
        exit_code=Refused.exit_code if drifted else 0,
    )


def verdict_lines(made: dict[str, Any]) -> list[str]:
    """The verdict, and a line for each stream that is calm now while its drift is confirmed."""
    verdict = "Drifted" if made["drifted"] else "Steady "
    return [
        f"{verdict}   {made['sentence']}{_confirmed(made)}",
        *(_alarm(alarm) for alarm in made["still"]),
    ]


def _confirmed(made: dict[str, Any]) -> str:
    """What the rule says of the streams; a calm batch confirms nothing itself."""
    by, still = made["confirmed_by"], made["still"]
    here = f", confirmed by {by}" if made["confirmed_here"] else ""
    if not still:
        return here
    names = " and ".join(f"'{alarm['stream']}'" for alarm in still if alarm["stream"])
    whose = f"the drift of {names}" if names else "the stream's drift"
    return f"{here}; {whose} is still confirmed by {by}"


def _alarm(alarm: dict[str, Any]) -> str:
    stream = f" in '{alarm['stream']}'" if alarm["stream"] else ""
    return (
        f"Still     {alarm['cause']}{stream}, last seen in the batch of {alarm['time'][:19]}: "
        f"{alarm['remedy']} ({alarm['report']})"
    )
