"""`plumbline schedule start | run-now | unit`: what makes schedules fire."""

from __future__ import annotations

import contextlib
import fcntl
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from inspection.errors import UserError
from pipelines.output import Answer
from pipelines.schedule.book import Firing
from pipelines.schedule.keeper import PLUMBLINE, keep_by_hand, start_keeper
from pipelines.schedule.loop import Scheduler, serve
from pipelines.schedule.places import Places, taken
from pipelines.schedule.told import tell_of
from pipelines.schedule.unit import cron_line, systemd_unit
from pipelines.settings import READ_THERE, Settings, make_store

CARRIED = ("PLUMBLINE_TRACKING_URI", "PLUMBLINE_DATA", "PLUMBLINE_WEIGHTS", "PLUMBLINE_ALERTS")
"""Settings that a unit or crontab repeats; secrets stay where they are."""
CODES = {"done": 0, "refused": 3, "stopped": 130}


def run_scheduler(settings: Settings, now: Callable[[], datetime], *, once: bool) -> Answer:
    """Fire what is due, for ever or for one round."""
    make_store(settings)
    places = Places(settings.store)
    scheduler = Scheduler(
        places,
        lambda firing: start_keeper(settings.store, firing),
        now,
        lambda firing: tell_of(places, firing),
    )
    if once:
        started = scheduler.round()
        return Answer({"started": started}, [f"Started   {started} commands"])
    entries = len(places.book.entries())
    with taken(places.at_work, fcntl.LOCK_SH):
        _say(f"At work on {entries} schedules in {settings.store.root}; Ctrl-C ends it")
        with contextlib.suppress(KeyboardInterrupt):
            serve(scheduler, time.sleep, _say)
    return Answer(
        {"stopped": True},
        ["Stopped   what runs goes on; what is missed now is decided by each schedule's --missed"],
        next=["plumbline schedule start"],
    )


def run_by_hand(name: str, settings: Settings, now: Callable[[], datetime]) -> Answer:
    """The command of one schedule, now, in this process' care."""
    places = Places(settings.store)
    firing = places.book.claim_by_hand(name, now())
    _say(f"Running   plumbline {' '.join(firing.schedule.command)}; log: {places.log(firing)}")
    if not keep_by_hand(places, firing, PLUMBLINE, now):
        return Answer(
            {"firing": firing.id, "status": "claimed"},
            [
                f"Waiting   the lock '{firing.schedule.lock}' is taken; the scheduler starts it when it is free"
            ],
            next=[f"plumbline schedule status {name}"],
        )
    ended = places.book.firing(firing.id)
    return Answer(
        document={
            "firing": firing.id,
            "status": ended.status,
            "exit_code_of_command": ended.exit_code,
            "log": str(places.log(firing)),
            "sentence": ended.sentence,
        },
        lines=[
            f"Ended     {ended.status} {ended.sentence}".rstrip(),
            f"Log       {places.log(firing)}",
        ],
        next=[f"plumbline schedule status {name}"],
        exit_code=_code(ended),
    )


def write_unit(settings: Settings, *, systemd: bool, cron: bool, user: bool) -> Answer:
    """The text alone on stdout, so that it can be piped to where it belongs."""
    if systemd == cron:
        raise UserError("say which: --systemd (a unit) or --cron (a line of a crontab)")
    carried = {name: settings.variables[name] for name in CARRIED if settings.variables.get(name)}
    stated = {"PLUMBLINE_STORE": str(settings.store.root), **carried}
    program = (sys.executable, *PLUMBLINE[1:])
    if cron:
        text = cron_line(program, Path.cwd(), stated)
        _say("Add this line with: crontab -e")
    else:
        text = systemd_unit(program, Path.cwd(), stated, user=user)
        _say(f"Save it as {_unit_place(user)}, then: {_enable(user)}")
    secrets = [name for name in READ_THERE if settings.variables.get(name) and name not in CARRIED]
    if secrets:
        _say(f"{', '.join(secrets)}: not written here; keep it in {Path.cwd()}/.env")
    return Answer({"text": text}, text.splitlines())


def _unit_place(user: bool) -> str:
    return (
        "~/.config/systemd/user/plumbline.service"
        if user
        else "/etc/systemd/system/plumbline.service"
    )


def _enable(user: bool) -> str:
    if user:
        return "systemctl --user enable --now plumbline && loginctl enable-linger"
    return "systemctl enable --now plumbline"


def _code(firing: Firing) -> int:
    """The command's own exit code; 1 for one that a signal ended."""
    code = firing.exit_code
    return CODES.get(firing.status, code if code is not None and code > 0 else 1)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
