"""Five schedules over thirty days in minutes: the clock, the two schedulers beside each other, and what was due.

Three of the schedules promote (`schedule_moves`), the others write a line; any of their processes can be killed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from inspection.store import Store
from pipelines.schedule.book import Firing
from pipelines.schedule.keeper import start_keeper
from pipelines.schedule.loop import Scheduler, serve
from pipelines.schedule.places import Places
from pipelines.schedule.plan import Schedule
from tests.unit.schedule_material import counted_out

START = datetime(2026, 10, 3, tzinfo=UTC)
END = START + timedelta(days=30)
RULES = {
    "berlin": ("30 2 * * *", "Europe/Berlin"),  # twice on 25 October
    "new-york": ("*/30 0-2 * * *", "America/New_York"),  # 01:00 and 01:30 twice on 1 November
    "sydney": ("15 2 * * *", "Australia/Sydney"),  # skipped on 4 October
    "lord-howe": ("5,20 2 * * *", "Australia/Lord_Howe"),  # half an hour skipped on 4 October
    "plain": ("0 */4 * * *", "UTC"),
}


class Days(NamedTuple):
    """A clock that is at START at `began` (of the machine's) and stops at END."""

    began: float
    seconds: float

    def __call__(self) -> datetime:
        share = (time.time() - self.began) / self.seconds
        return START + min(1.0, max(0.0, share)) * (END - START)

    @property
    def over(self) -> bool:
        return time.time() > self.began + self.seconds


def schedule_for_ever(root: str, began: str, seconds: str, *program: str) -> None:
    """A scheduler process: the real loop, on the fast clock."""
    store, clock = Store(Path(root)), Days(float(began), float(seconds))

    def start(firing: Firing) -> subprocess.Popen[bytes] | None:
        return start_keeper(store, firing, program)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    scheduler = Scheduler(Places(store), start, clock, lambda firing: say(f"lost {firing.label}"))
    serve(scheduler, lambda _: time.sleep(0.2), say)


class Pair:
    """Two scheduler processes on one store."""

    def __init__(self, words: list[str], said: Path) -> None:
        self.words, self.said = words, said
        self.both = [self._start(), self._start()]

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, __file__, *self.words]
        with self.said.open("ab") as stream:
            return subprocess.Popen(command, stderr=stream)

    def kill(self, which: list[int], wait: float) -> None:
        """SIGKILL, a while of nobody in their places, and new ones."""
        for number in which:
            self.both[number].kill()
        for number in which:
            self.both[number].wait()
        time.sleep(wait)
        for number in which:
            self.both[number] = self._start()

    def end(self) -> None:
        for process in self.both:
            process.kill()
            process.wait()


def enter(store: Store, on_kill: str) -> None:
    """The five schedules, each under its own lock."""
    book = Places(store).book
    for name, (cron, zone) in RULES.items():
        stated = {"name": name, "cron": cron, "zone": zone, "lock": name, "folder": Path("/")}
        policy = {"command": (), "missed": "all", "limit": 1000, "on_kill": on_kill}
        book.add(Schedule.model_validate({**stated, **policy}), START)


def settle(store: Store, clock: Days) -> None:
    """Wait until the days are over and nothing is open any more."""
    book = Places(store).book
    while not clock.over or book.open_firings():
        time.sleep(0.2)
    time.sleep(1.0)


def judged(store: Store, record: Path) -> dict[str, Any]:
    """The record that commands wrote, held against the independent count."""
    due = {
        f"{name} {moment.isoformat()}"
        for name, rule in RULES.items()
        for moment in counted_out(*rule, START, END)
    }
    lines = Counter(line.rpartition(" ")[0] for line in record.read_text().splitlines())
    history = Places(store).book.history(10**6)
    return {
        "due": len(due),
        "due_by_schedule": {
            name: sum(one.startswith(name) for one in due) for name in sorted(RULES)
        },
        "commands_run": sum(lines.values()),
        "fired_exactly_once": sum(lines[one] == 1 for one in due),
        "never_fired": sorted(due - set(lines)),
        "fired_more_than_once": {one: n for one, n in sorted(lines.items()) if n > 1},
        "fired_but_not_due": sorted(set(lines) - due),
        "ends": dict(Counter(f.status for f in history)),
        "failed_because": dict(Counter(f.sentence for f in history if f.status == "failed")),
    }


def kill_a_keeper(store: Store, dice: random.Random, names: tuple[str, ...] = (*RULES,)) -> int:
    """SIGKILL to the session of a keeper of such schedules, its command included; 0 when none was there."""
    found = [f for f in Places(store).book.open_firings() if f.status == "running"]
    running = [f.id for f in found if f.schedule.name in names]
    if not running:
        return 0
    words = ["pipelines.schedule.keeper", str(store.root), str(dice.choice(running))]
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if line[3:6] == words:
            os.killpg(process.pid, signal.SIGKILL)
            return 1
    return 0


if __name__ == "__main__":
    schedule_for_ever(*sys.argv[1:])
