"""The `plumbline alerts` commands: who is told when a run fails."""

from __future__ import annotations

import typer

from pipelines.options import Json
from pipelines.output import Answer
from pipelines.settings import settings_here, utc_now

alerts_app = typer.Typer(
    help="Who is told when a run fails, by mail, webhook or file: try it out.",
    epilog="Read from alerts.yaml in the store, or the file that PLUMBLINE_ALERTS names.",
    no_args_is_help=True,
)


@alerts_app.command("test")
def try_out(json: Json = False) -> Answer:
    """Send one message over every channel now; exit code 3 when one did not get through."""
    from pipelines.commands.alerts import try_channels

    return try_channels(settings_here(), utc_now())
