"""`plumbline run`: a config through the train pipeline, and what came of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.edge.files import canonical_json, sha256_bytes, sha256_file
from inspection.config import RunConfig
from inspection.errors import ConfigError, Refused
from inspection.store import Store
from pipelines.caching import code_fingerprint
from pipelines.commands.gated import noted, registered
from pipelines.commands.keys import check_keys
from pipelines.commands.stopped import explained
from pipelines.door import load_config
from pipelines.launcher.client import open_zenml
from pipelines.launcher.launch import Flight, flight, output
from pipelines.output import Answer, stdout_is_stderr
from pipelines.settings import Settings, make_store

if TYPE_CHECKING:
    from inspection.evaluation.searched import Searched
    from pipelines.train import Surroundings


def run_config(
    path: Path,
    changes: Sequence[str],
    *,
    settings: Settings,
    fresh: bool,
    now: Callable[[], datetime],
) -> Answer:
    """Run every step that is not finished already; exit code 3 when a gate says no."""
    config = load_config(path, changes, settings.variables)
    command = shlex.join(["plumbline", "run", str(path), *changes])
    if missing := missing_files(config):
        raise ConfigError(missing)
    make_store(settings)
    check_keys(settings.store)
    with stdout_is_stderr():
        # A missing folder is told before anything is opened.
        source = source_state(config, settings.store)
        open_zenml(settings)
        with flight("train", config.name, settings.store, now) as trip:
            made = carry_out(trip, config, source, command, fresh=fresh, settings=settings)
    return _answer(trip, made)


def carry_out(
    trip: Flight, config: RunConfig, source: str, command: str, *, fresh: bool, settings: Settings
) -> dict[str, Any]:
    """The train pipeline on an opened store; what it made, which the record of `trip` keeps too."""
    folder, created = trip.folder, trip.record.started.isoformat()
    around = surroundings(config, source, command, settings, folder=folder, created=created)
    with explained(trip, config, command):
        return _fly(trip, config, around, fresh)


def missing_files(config: RunConfig) -> list[str]:
    """A sentence for each file that is named and not there: told before anything is opened."""
    named = {"teacher.weights": config.teacher.weights, "student.weights": config.student.weights}
    missing = [
        f"{key}: there is no file '{weights}'; mend the path, or use 'hub' or 'none'"
        for key, weights in named.items()
        if weights not in ("hub", "none") and not Path(weights).is_file()
    ]
    named_too = [("checks.profile", config.checks.profile)]
    named_too += [("data.edits", path) for path in config.data.edits]
    missing += [
        f"{key}: there is no file '{path}'; mend the path or leave it out"
        for key, path in named_too
        if path is not None and not path.is_file()
    ]
    return missing


def _fly(trip: Flight, config: RunConfig, around: Surroundings, fresh: bool) -> dict[str, Any]:
    from deploy.export.keys import edge_options
    from inspection.reporting.figures import retention
    from pipelines.train import train

    run = trip.start(train, {"config": config, "around": around}, fresh=fresh)
    release, verdict = output(run, "release"), output(run, "gate_verdict")
    assessment, enrolment = output(run, "assessment"), output(run, "enrolment")
    gain = output(run, "prepared_teacher").gain
    searched = output(run, "searched") if config.search else None
    made = {
        "tuned": gain.sentence if gain else "",
        "recipe": _recipe(searched) if searched else None,
        "report": output(run, "report"),
        "bundle": str(release.folder),
        "digest": release.digest,
        "edge_options": edge_options(release.folder),
        "model": enrolment.name,
        "version": enrolment.version,
        "aliases": list(enrolment.aliases),
        "mlflow_run": enrolment.run_id,
        "gate": {"passed": verdict.passed, "sentence": verdict.sentence},
        "teacher": assessment.teacher.summary,
        "student": release.evaluation.summary,
        "retention": assessment.retention,
        "macro_f1_retention": retention(release.evaluation, assessment.teacher),
        "leak_rate": output(run, "leak_report").rate,
        "random_leak_rate": output(run, "leak_report").random_rate,
    }
    return noted(trip, made)


def _recipe(searched: Searched) -> dict[str, Any]:
    """What a search came to, for the answer and the record."""
    return {
        "sentence": searched.sentence,
        "changes": searched.changes,
        "found": searched.overrides,
        "trials": len(searched.trials),
        "chosen": searched.chosen,
        "seconds": searched.seconds,
        "budget_seconds": searched.budget_seconds,
        "ended": searched.ended,
    }


def source_state(config: RunConfig, store: Store) -> str:
    """What the source and the files beside it hold now; generated images that are gone are drawn again first."""
    from inspection.data.ingest import source_fingerprint, synthetic_folder
    from inspection.data.synthetic import generate

    if config.data.kind == "synthetic":
        folder = synthetic_folder(config.data, store, seed=config.images_seed)
        generate(folder, config.data.synthetic, seed=config.images_seed)
    beside = [path for path in (config.checks.profile, *config.data.edits) if path is not None]
    return sha256_bytes(
        canonical_json([source_fingerprint(config.data), *(sha256_file(p) for p in beside)])
    )


def surroundings(
    config: RunConfig, source: str, command: str, settings: Settings, *, folder: str, created: str
) -> Surroundings:
    """What the train pipeline needs besides its config; its page goes to `folder`."""
    from inspection.data.test_set import test_set_path
    from inspection.models.networks import weights_fingerprint
    from pipelines.train import Surroundings

    return Surroundings(
        store=str(settings.store.root),
        source=source,
        test_set_file=str(test_set_path(settings.store, config)),
        teacher_weights=weights_fingerprint(config.teacher.weights),
        student_weights=weights_fingerprint(config.student.weights),
        code=code_fingerprint(),
        folder=folder,
        created=created,
        command=command,
    )


def _answer(trip: Flight, made: dict[str, Any]) -> Answer:
    record, student, teacher = trip.record, made["student"], made["teacher"]
    repeated = sum(status == "completed" for status in record.steps.values())
    cached = ", the others were finished already" if repeated < len(record.steps) else ""
    passed = made["gate"]["passed"]
    tuned = [f"Tuned        {made['tuned']}"] if made["tuned"] else []
    recipe = [f"Recipe       found in {made['recipe']['sentence']}"] if made["recipe"] else []
    lines = [
        *tuned,
        *recipe,
        f"Teacher      accuracy {teacher['accuracy']:.4f}, macro-F1 {teacher['macro_f1']:.4f}",
        f"Student      accuracy {student['accuracy']:.4f}, macro-F1 {student['macro_f1']:.4f} "
        f"(keeps {made['retention']:.1%} of the teacher's accuracy, {made['macro_f1_retention']:.1%} of its macro-F1)",
        f"Leaks        {made['leak_rate']:.1%} of the test set; a random split: {made['random_leak_rate']:.1%}",
        f"Gate         {made['gate']['sentence']}",
        f"Registered   {registered(made)}",
        f"Bundle       {made['bundle']}",
        f"Report       {made['report']}",
        f"Run          {record.name}, {record.seconds:.0f} s, {repeated} of {len(record.steps)} steps run{cached}",
    ]
    return Answer(
        document={
            "run": record.name,
            "status": record.status,
            "seconds": record.seconds,
            "steps": dict(record.steps),
            **made,
        },
        lines=lines,
        next=_next(made, passed=passed),
        exit_code=0 if passed else Refused.exit_code,
    )


def _next(made: dict[str, Any], *, passed: bool) -> list[str]:
    if not passed:
        return ["plumbline report --open"]
    predict = f"plumbline-edge predict {made['bundle']} {made['edge_options']} IMAGES --log LOG"
    return [predict, "plumbline report --open"]
