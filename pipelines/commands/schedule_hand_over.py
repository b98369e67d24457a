"""`plumbline schedule hand-over`: a schedule given to the ZenML stack, whose orchestrator keeps it from then on."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any

from pipelines.commands.monitor import bundle_of, parameters_of
from pipelines.door import load_config
from pipelines.launcher.client import open_zenml
from pipelines.launcher.run_records import run_folder
from pipelines.output import Answer, stdout_is_stderr
from pipelines.schedule.commands import check_command
from pipelines.schedule.places import Places
from pipelines.schedule.stack import check_stack, zenml_schedule
from pipelines.settings import Settings


def hand_over(name: str, root: Any, settings: Settings, now: datetime) -> Answer:
    """The monitor pipeline with ZenML's own schedule; ours is paused, so that nothing fires twice."""
    book = Places(settings.store).book
    schedule = book.entry(name).schedule
    with stdout_is_stderr():
        client = open_zenml(settings)
        stack, kept = check_stack(client), zenml_schedule(schedule)
        from pipelines.monitor import monitor

        # Relative paths of the command are meant from where it was added.
        with contextlib.chdir(schedule.folder):
            stated = check_command(root, schedule.command, settings.variables)
            config = load_config(
                stated["config"], stated["changes"] or [], settings.variables, need_all=False
            )
            folder = str(run_folder(settings.store, f"scheduled-{name}"))
            bundle = bundle_of(config.name, stated["bundle"], settings)
            parameters = parameters_of(config, stated["log"], bundle, folder, now, settings)
        monitor.with_options(run_name=f"{name}-{{date}}-{{time}}", schedule=kept)(**parameters)
    book.pause(name)
    return Answer(
        document={"schedule": name, "stack": stack, "cron": kept.cron_expression},
        lines=[
            f"Handed    {name} to the stack '{stack}': {kept.cron_expression} (UTC); paused here"
        ],
        next=["plumbline schedule list"],
    )
