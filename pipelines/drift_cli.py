"""The `plumbline drift` commands: what the monitor found so far."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.options import Json, Port
from pipelines.output import Answer
from pipelines.settings import settings_here

drift_app = typer.Typer(help="What `plumbline monitor` found so far.", no_args_is_help=True)


@drift_app.command()
def history(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The config's name.")],
    last: Annotated[int, typer.Option(min=1, help="How many batches.")] = 20,
    json: Json = False,
) -> Answer:
    """The latest batches by stream: steady, an alarm, or drift that two of three batches confirm; and the cause."""
    from pipelines.commands.drift import show_history

    return show_history(name, last, settings_here())


@drift_app.command()
def ui(port: Port = 8010, json: Json = False) -> Answer:
    """Open Evidently's pages of every batch, a project per model and stream, on this machine only, until Ctrl-C."""
    from pipelines.commands.drift import serve_workspace

    return serve_workspace(settings_here(), port=port, as_json=json)
