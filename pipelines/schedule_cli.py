"""The `plumbline schedule` commands: what runs by itself, when, and how that went."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.options import Json
from pipelines.output import Answer
from pipelines.settings import settings_here, utc_now

EPILOG = (
    "Schedules lie in the store. They fire while `plumbline schedule start` runs: in a terminal, as the systemd unit "
    "or by the cron line that `plumbline schedule unit` writes."
)

schedule_app = typer.Typer(
    help="Commands that run by themselves: add, look at, pause, rehearse; the scheduler.",
    epilog=EPILOG,
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A schedule's name, as listed.")]
OneOrAll = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="One schedule (default: all).")
]


@schedule_app.command(context_settings={"ignore_unknown_options": True})
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND…", help="As after `plumbline`; after -- if it has options."
        ),
    ],
    cron: Annotated[
        str, typer.Option(help="Minute, hour, day, month, weekday, such as '30 2 * * 1-5'.")
    ],
    zone: Annotated[str, typer.Option(help="Time zone, such as Europe/Berlin.")] = "UTC",
    missed: Annotated[
        str,
        typer.Option(
            help="Due times that passed unfired: one (the latest stands for all), all, or skip."
        ),
    ] = "one",
    limit: Annotated[int, typer.Option(help="With all: at most so many, the latest.")] = 24,
    grace: Annotated[str, typer.Option(help="With skip: so late is not missed yet.")] = "5m",
    lock: Annotated[
        str, typer.Option(help="Of schedules with one lock, one command runs at a time.")
    ] = "default",
    on_kill: Annotated[
        str, typer.Option(help="A command that was killed: report it, or retry it.")
    ] = "report",
    json: Json = False,
) -> Answer:
    """Enter a schedule; its command is checked now, and run in this folder."""
    from pipelines.commands.schedule import add_schedule

    stated = {
        "name": name,
        "cron": cron,
        "zone": zone,
        "command": tuple(command),
        "missed": missed,
        "limit": limit,
        "grace": grace,
        "lock": lock,
        "on_kill": on_kill,
    }
    return add_schedule(stated, context.find_root().command, settings_here(), utc_now())


@schedule_app.command("list")
def list_(json: Json = False) -> Answer:
    """The schedules: when each is due next, and how it went last."""
    from pipelines.commands.schedule import list_schedules

    return list_schedules(settings_here(), utc_now())


@schedule_app.command()
def pause(name: Name, json: Json = False) -> Answer:
    """Let its due times pass until it is resumed."""
    from pipelines.commands.schedule import pause_schedule

    return pause_schedule(name, settings_here())


@schedule_app.command()
def resume(name: Name, json: Json = False) -> Answer:
    """Fire again from now on; what passed while it was paused is not caught up."""
    from pipelines.commands.schedule import resume_schedule

    return resume_schedule(name, settings_here(), utc_now())


@schedule_app.command()
def remove(name: Name, json: Json = False) -> Answer:
    """Forget a schedule; the record of its firings stays."""
    from pipelines.commands.schedule import remove_schedule

    return remove_schedule(name, settings_here())


@schedule_app.command("run-now")
def run_now(name: Name, json: Json = False) -> Answer:
    """Run its command at once, under its lock, and wait; the exit code is the command's."""
    from pipelines.commands.schedule_start import run_by_hand

    return run_by_hand(name, settings_here(), utc_now)


@schedule_app.command()
def simulate(
    name: OneOrAll = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Such as 2026-10-25 or 2026-10-25T02:00 (UTC).")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Likewise (default: seven days later).")
    ] = None,
    json: Json = False,
) -> Answer:
    """Every firing between two days, and what changes of the clocks do to them; nothing is run."""
    from pipelines.commands.schedule import simulate_schedules

    return simulate_schedules(name, start, end, settings_here(), utc_now())


@schedule_app.command()
def start(
    once: Annotated[
        bool, typer.Option("--once", help="One round, then end: for a line of a crontab.")
    ] = False,
    json: Json = False,
) -> Answer:
    """The scheduler, until Ctrl-C; can be killed at any moment, and stand beside another."""
    from pipelines.commands.schedule_start import run_scheduler

    return run_scheduler(settings_here(), utc_now, once=once)


@schedule_app.command()
def status(
    name: OneOrAll = None,
    last: Annotated[int, typer.Option(min=1, help="How many firings.")] = 20,
    json: Json = False,
) -> Answer:
    """The latest firings: how each ended, why, and where its log lies; is a scheduler at work?"""
    from pipelines.commands.schedule import show_status

    return show_status(name, last, settings_here(), utc_now())


@schedule_app.command("hand-over")
def hand_over(context: typer.Context, name: Name, json: Json = False) -> Answer:
    """Give a schedule of `monitor` or `run` to a ZenML stack that can schedule (Kubernetes, Airflow …)."""
    from pipelines.commands.schedule_hand_over import hand_over as give

    return give(name, context.find_root().command, settings_here())


@schedule_app.command()
def unit(
    systemd: Annotated[bool, typer.Option("--systemd", help="A systemd unit.")] = False,
    cron: Annotated[bool, typer.Option("--cron", help="A line of a crontab.")] = False,
    user: Annotated[
        bool, typer.Option("--user/--system", help="A unit of yours, or of the machine.")
    ] = True,
    json: Json = False,
) -> Answer:
    """The text that makes this machine run the scheduler by itself, with this folder and store in it."""
    from pipelines.commands.schedule_start import write_unit

    return write_unit(settings_here(), systemd=systemd, cron=cron, user=user)
