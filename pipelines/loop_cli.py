"""The `plumbline loop` commands: drift to training to a gate, and who has the last word."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.options import Config, DeviceLog, Json, PageFile
from pipelines.output import Answer
from pipelines.settings import settings_here, utc_now

EPILOG = (
    "Put a step into the schedule: plumbline schedule add nightly --cron '30 2 * * *' loop step CONFIG LOG. "
    "Settings stand in the config's `loop:` section."
)

loop_app = typer.Typer(
    help="Watch, and train anew when drift, labels, cooldown and budget say so.",
    epilog=EPILOG,
    no_args_is_help=True,
)

Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="A change to the config, such as loop.new_labels=20."),
]


@loop_app.command()
def step(
    config: Config,
    log: DeviceLog,
    changes: Changes = None,
    json: Json = False,
) -> Answer:
    """Judge the newest batches, decide, train if so decided; a model that passes waits for `plumbline promote`."""
    from pipelines.commands.loop import step as one_step

    return one_step(config, changes or [], log, settings=settings_here(), now=utc_now)


@loop_app.command()
def show(config: Config, changes: Changes = None, json: Json = False) -> Answer:
    """What the loop would do now and why; nothing is run."""
    from pipelines.commands.loop import show as shown

    return shown(config, changes or [], settings=settings_here(), now=utc_now)


@loop_app.command()
def simulate(
    config: Config,
    logs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Past prediction logs (default: what the monitor recorded).", metavar="[LOGS]…"
        ),
    ] = None,
    labels_per_day: Annotated[
        float, typer.Option(min=0, help="Images that people would have labelled.")
    ] = 50.0,
    passes: Annotated[
        bool, typer.Option("--passes/--refused", help="What the gate would have said.")
    ] = True,
    changes: Changes = None,
    json: Json = False,
) -> Answer:
    """What the loop would have done on past logs, and when; nothing is trained or written."""
    from pipelines.commands.loop import simulate as simulated

    return simulated(
        config,
        changes or [],
        logs or [],
        labels_per_day=labels_per_day,
        passes=passes,
        settings=settings_here(),
        now=utc_now,
    )


status_app = typer.Typer()


@status_app.command()
def status(
    config: Config,
    out: PageFile = Path("status.html"),
    changes: Changes = None,
    json: Json = False,
) -> Answer:
    """How a line stands, as one offline page: champion, ledger, runs, drift per stream, schedules."""
    from pipelines.commands.status import write_status

    return write_status(config, changes or [], out, settings=settings_here(), now=utc_now)
