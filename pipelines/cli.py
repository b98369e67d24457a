"""The `plumbline` command: what each command is called and takes; the work is imported when it is called."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from inspection.errors import Interrupted, PlumblineError
from pipelines.alerts_cli import alerts_app
from pipelines.data_products_cli import data_app
from pipelines.drift_cli import drift_app
from pipelines.faults import as_ours, stopped_sentence
from pipelines.keys_cli import keys_app
from pipelines.loop_cli import loop_app, status_app
from pipelines.options import Config, DeviceLog, Json, OpenIt, PageFile, Port
from pipelines.output import Answer, say, say_error, say_usage
from pipelines.registry_cli import registry_app
from pipelines.schedule_cli import schedule_app
from pipelines.settings import settings_here, utc_now

EPILOG = (
    "Exit codes: 0 done; 1 our fault; 2 yours (the message says the remedy); 3 refused by a gate or drift found. "
    "Settings: PLUMBLINE_STORE (default .plumbline), PLUMBLINE_TRACKING_URI, PLUMBLINE_DATA, PLUMBLINE_WEIGHTS; "
    "from the environment or a .env file."
)

app = typer.Typer(
    help="Visual inspection from raw images to a certified student model on the edge device, and back.",
    epilog=EPILOG,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.add_typer(data_app, name="data")
app.add_typer(drift_app, name="drift")
app.add_typer(keys_app, name="keys")
app.add_typer(registry_app)
app.add_typer(schedule_app, name="schedule")
app.add_typer(alerts_app, name="alerts")
app.add_typer(loop_app, name="loop")
app.add_typer(status_app)

Changes = Annotated[
    list[str] | None,
    typer.Argument(
        help="Changes to the config, such as student.epochs=10.", metavar="[KEY=VALUE]…"
    ),
]


@app.command()
def run(
    config: Config,
    changes: Changes = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Repeat finished steps too.")] = False,
    cells: Annotated[
        bool, typer.Option("--cells", help="Only list the runs of a grid and which are finished.")
    ] = False,
    json: Json = False,
) -> Answer:
    """Images in; checks, teacher, student, certified bundle, registry and report out; of a grid, every run."""
    from pipelines.commands.grid import run_any

    settings, asked = settings_here(), changes or []
    return run_any(config, asked, settings=settings, fresh=fresh, cells_only=cells, now=utc_now)


@app.command()
def export(
    config: Config,
    changes: Changes = None,
    run: Annotated[
        str | None, typer.Option(help="A finished run (default: the config's latest).")
    ] = None,
    json: Json = False,
) -> Answer:
    """FP16 and INT8 of a finished run's student: planned by measurement, certified, gated, registered, compiled."""
    from pipelines.commands.export import export_run

    return export_run(config, changes or [], run, settings=settings_here(), now=utc_now)


@app.command()
def certify(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    evidence: Annotated[
        list[Path],
        typer.Argument(
            help="What `plumbline-edge certify` wrote.", metavar="EVIDENCE…", exists=True
        ),
    ],
    json: Json = False,
) -> Answer:
    """Fill rows of a bundle's certificate with what devices measured; gives a new bundle."""
    from pipelines.commands.certify import fill_certificate

    return fill_certificate(bundle, evidence, settings=settings_here())


@app.command()
def monitor(
    config: Config,
    log: DeviceLog,
    changes: Changes = None,
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle that made the log (default: the champion).")
    ] = None,
    json: Json = False,
) -> Answer:
    """Compare a prediction log with its bundle's drift reference; exit code 3 when it drifted."""
    from pipelines.commands.monitor import monitor_log

    return monitor_log(config, changes or [], log, bundle, settings=settings_here(), now=utc_now)


@app.command()
def doctor(json: Json = False) -> Answer:
    """Is this machine, this installation and this store fit to run? Also closes runs that were killed."""
    from pipelines.commands.doctor import examine

    return examine(settings_here())


@app.command()
def report(
    run: Annotated[str | None, typer.Argument(help="A run's name (default: the latest).")] = None,
    out: Annotated[Path | None, typer.Option(help="Copy the page to this file.")] = None,
    open_it: OpenIt = False,
    json: Json = False,
) -> Answer:
    """Where a run's report.html lies; or a copy of it."""
    from pipelines.commands.report import find_report

    return find_report(run, out, open_it=open_it, settings=settings_here())


@app.command()
def runs(
    last: Annotated[int, typer.Option(min=1, help="How many.")] = 20, json: Json = False
) -> Answer:
    """The store's runs: how each ended, and why."""
    from pipelines.commands.runs import list_runs

    return list_runs(last, settings_here())


@app.command()
def compare(
    runs: Annotated[
        list[str], typer.Argument(help="Finished runs of one frozen test set.", metavar="RUN…")
    ],
    out: PageFile = Path("compare.html"),
    json: Json = False,
) -> Answer:
    """Which recipe to take: runs that differ only by the seed are one; ties are called ties."""
    from pipelines.commands.compare import compare_runs

    return compare_runs(runs, out, settings=settings_here(), now=utc_now)


@app.command()
def models(json: Json = False) -> Answer:
    """Registered models: versions, digests, who is champion."""
    from pipelines.commands.models import list_models

    return list_models(settings_here())


@app.command()
def recipes(json: Json = False) -> Answer:
    """Settings of a student that belong together, for `student.recipe` of a config."""
    from pipelines.commands.recipes import list_recipes

    return list_recipes()


@app.command()
def log(
    folder: Annotated[Path, typer.Argument(help="Folder of a prediction log.")],
    parquet: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    json: Json = False,
) -> Answer:
    """Turn a device's prediction log into one Parquet table."""
    from pipelines.commands.log import log_to_parquet

    return log_to_parquet(folder, parquet)


@app.command()
def ui(
    port: Port = 5000,
    zenml: Annotated[
        bool, typer.Option("--zenml", help="ZenML's dashboard instead (extra: dashboard).")
    ] = False,
    json: Json = False,
) -> Answer:
    """Open MLflow's own pages on this store, on this machine only, until Ctrl-C."""
    from pipelines.commands.ui import serve

    return serve(settings_here(), port=port, dashboard=zenml, as_json=json)


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error leaves as one line per fault."""
    as_json = "--json" in arguments
    try:
        outcome: Any = app(args=list(arguments), standalone_mode=False, prog_name="plumbline")
        if outcome == Interrupted.exit_code:  # Typer keeps a KeyboardInterrupt to itself
            raise Interrupted(stopped_sentence(arguments))
        return say(outcome, as_json=as_json) if isinstance(outcome, Answer) else int(outcome or 0)
    except PlumblineError as error:
        return say_error(error, as_json=as_json)
    except KeyboardInterrupt:
        return say_error(Interrupted(stopped_sentence(arguments)), as_json=as_json)
    except Exception as error:
        return _unexpected(error, as_json=as_json)


def _unexpected(error: Exception, *, as_json: bool) -> int:
    """A wrong command line (Typer's own message and code), a full disk, or a fault of ours."""
    show, message = getattr(error, "show", None), getattr(error, "format_message", None)
    if callable(show) and callable(message):  # Typer's, which may carry a Click of its own
        show()
        return say_usage(str(message()), as_json=as_json)
    if os.environ.get("PLUMBLINE_DEBUG"):
        traceback.print_exception(error)
    return say_error(as_ours(error), as_json=as_json)
