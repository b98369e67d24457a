"""`plumbline schedule hand-over`: a schedule given to the ZenML stack, whose orchestrator keeps it from then on."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.errors import ConfigError, UserError
from inspection.reporting.occasion import OPEN
from pipelines.commands.monitor import parameters_of
from pipelines.commands.run import missing_files, surroundings
from pipelines.door import load_config
from pipelines.grid import holds_grid
from pipelines.launcher.client import open_zenml
from pipelines.launcher.run_records import run_folder
from pipelines.output import Answer, stdout_is_stderr
from pipelines.schedule.commands import check_command
from pipelines.schedule.places import Places
from pipelines.schedule.plan import Schedule
from pipelines.schedule.stack import check_stack, zenml_schedule
from pipelines.settings import Settings

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline

    Filled = tuple[Pipeline, dict[str, Any]]


def hand_over(name: str, root: Any, settings: Settings) -> Answer:
    """The command's pipeline with ZenML's own schedule; ours is paused, so that nothing fires twice."""
    book = Places(settings.store).book
    schedule = book.entry(name).schedule
    with stdout_is_stderr():
        client = open_zenml(settings)
        stack, kept = check_stack(client), zenml_schedule(schedule)
        # Relative paths of the command are meant from where it was added.
        with contextlib.chdir(schedule.folder):
            stated = check_command(root, schedule.command, settings.variables)
            filled = _monitor if schedule.command[0] == "monitor" else _train
            pipeline, parameters = filled(schedule, stated, settings)
        run_name = f"{name}-{{date}}-{{time}}"
        pipeline.with_options(run_name=run_name, schedule=kept, enable_cache=False)(**parameters)
    book.pause(name)
    return Answer(
        document={"schedule": name, "stack": stack, "cron": kept.cron_expression},
        lines=[
            f"Handed    {name} to the stack '{stack}': {kept.cron_expression} (UTC); paused here"
        ],
        next=["plumbline schedule list"],
    )


def _monitor(schedule: Schedule, stated: Mapping[str, Any], settings: Settings) -> Filled:
    from pipelines.monitor import monitor

    changes = stated["changes"] or []
    config = load_config(stated["config"], changes, settings.variables, need_all=False)
    bundle = stated["bundle"].resolve() if stated["bundle"] else None
    place = _folder(schedule, settings)
    return monitor, parameters_of(config, stated["log"], bundle, place, OPEN, settings)


def _train(schedule: Schedule, stated: Mapping[str, Any], settings: Settings) -> Filled:
    from pipelines.train import train

    path, changes = Path(stated["config"]), stated["changes"] or []
    if holds_grid(path, changes):
        raise UserError(
            f"schedule '{schedule.name}': {path} holds a grid, which is many runs and no pipeline: "
            "use plumbline schedule start"
        )
    config = load_config(path, changes, settings.variables)
    if missing := missing_files(config):
        raise ConfigError(missing)
    command = shlex.join(["plumbline", *schedule.command])
    place = _folder(schedule, settings)
    around = surroundings(config, OPEN, command, settings, folder=place, created=OPEN)
    return train, {"config": config, "around": around}


def _folder(schedule: Schedule, settings: Settings) -> str:
    """Its runs' folders begin so."""
    return str(run_folder(settings.store, f"scheduled-{schedule.name}"))
