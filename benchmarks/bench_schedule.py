"""Thirty days of five schedules: clocks changing, 100 SIGKILLs, a full disk, a second scheduler. All fired once?

The real scheduler loop runs in two processes side by side on one store, with a clock that makes minutes of thirty days;
keepers and commands are real processes. Either scheduler or both are killed at random moments (seeded) and started
again. The store lies on a file system of its own (a tmpfs in a user namespace, so no privilege is needed), which is
filled to the last byte twice. Each command appends one line to a record elsewhere. What was due is counted out minute
by minute with zoneinfo alone, by other code than the scheduler's.

Then, with the same schedules and `on_kill: retry`, keepers and their commands are killed instead: what becomes of a
firing whose command may or may not have done its work.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import psutil

from inspection.store import Store
from pipelines.schedule.book import Firing
from pipelines.schedule.keeper import start_keeper
from pipelines.schedule.loop import Scheduler, serve
from pipelines.schedule.places import Places
from pipelines.schedule.plan import Schedule

START = datetime(2026, 10, 3, tzinfo=UTC)
END = START + timedelta(days=30)
RULES = {
    "berlin": ("30 2 * * *", "Europe/Berlin"),  # twice on 25 October
    "new-york": ("*/30 0-2 * * *", "America/New_York"),  # 01:00 and 01:30 twice on 1 November
    "sydney": ("15 2 * * *", "Australia/Sydney"),  # skipped on 4 October
    "lord-howe": ("5,20 2 * * *", "Australia/Lord_Howe"),  # half an hour skipped on 4 October
    "plain": ("0 */4 * * *", "UTC"),
}
KILLS, KEEPER_KILLS = 100, 30
FULL_AT, FULL_SECONDS = (0.3, 0.7), 8.0
"""Shares of the days after which the disk is filled, and for how long."""
SECONDS, SECONDS_OF_RETRIES = 240.0, 120.0
"""That the days take."""
DISK_BYTES = 16 * 2**20
SEED = 7
COMMAND = ("/bin/sh", "-c", 'printf "%s\\n" "$PLUMBLINE_FIRING" >> "$0"')
SLOW = ("/bin/sh", "-c", 'printf "%s\\n" "$PLUMBLINE_FIRING" >> "$0"; sleep 0.4')


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
        command = [sys.executable, __file__, "--scheduler", *self.words]
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


def fields(text: str, low: int, high: int) -> set[int]:
    """The numbers that one field of a cron expression names."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("-".join((str(low), str(high))) if span == "*" else span).partition("-")
        found |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return found


def counted_out(expression: str, zone: str) -> list[datetime]:
    """Due moments by looking at the clock on the wall once a minute, remembering the latest time it has shown."""
    minutes, hours = (
        fields(f, 0, top) for f, top in zip(expression.split()[:2], (59, 23), strict=True)
    )
    rhythm = any(field.startswith("*") for field in expression.split()[:2])
    moment, found = START - timedelta(days=1), set()
    latest = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    while moment <= END:
        wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        passed = [wall] if rhythm else list(minutes_between(latest, wall))
        if any(one.minute in minutes and one.hour in hours for one in passed):
            found.add(moment)
        latest = max(latest, wall)
        moment += timedelta(minutes=1)
    return sorted(one for one in found if one > START)


def minutes_between(before: datetime, until: datetime) -> Iterator[datetime]:
    while before < until:
        before += timedelta(minutes=1)
        yield before


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


def fill_disk(folder: Path, seconds: float) -> int:
    """Take every byte that is left for a while; how many there were."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        for size in (2**16, 1):
            with contextlib.suppress(OSError):
                while True:
                    stream.write(b"0" * size)
    taken = ballast.stat().st_size
    time.sleep(seconds)
    ballast.unlink()
    return taken


def fill_disk_at(folder: Path, began: float, shares: tuple[float, ...], found: list[int]) -> None:
    """Fill the disk, while kills go on, after such shares of the days."""
    for share in shares:
        time.sleep(max(0.0, began + share * SECONDS - time.time()))
        found.append(fill_disk(folder, FULL_SECONDS))


def kills_planned(dice: random.Random) -> list[tuple[float, list[int], float]]:
    """When, which of the two schedulers, and how long nobody takes their place."""
    which: list[list[int]] = []
    while (left := KILLS - sum(map(len, which))) > 0:
        which.append(dice.choice([[0], [1], [0, 1]])[:left])
    moments = sorted(dice.uniform(0.01, 0.97) * SECONDS for _ in which)
    return [
        (at, one, dice.choice([0.0, 0.0, 0.5, 2.0])) for at, one in zip(moments, which, strict=True)
    ]


def thirty_days(folder: Path) -> dict[str, Any]:
    """Schedulers killed, disk filled; lines of the record against what was due."""
    disk, record, said = folder / "disk", folder / "days.txt", folder / "said"
    store = Store(disk / "days")
    record.touch()
    enter(store, "report")
    clock, filled, caught = Days(time.time(), SECONDS), list[int](), Counter[str]()
    words = [str(store.root), str(clock.began), str(clock.seconds), *COMMAND, str(record)]
    pair = Pair(words, said)
    filler = threading.Thread(target=fill_disk_at, args=(disk, clock.began, FULL_AT, filled))
    filler.start()
    for moment, which, wait in kills_planned(random.Random(SEED)):
        time.sleep(max(0.0, clock.began + moment - time.time()))
        caught.update(firing.status for firing in Places(store).book.open_firings())
        pair.kill(which, wait)
    filler.join()
    settle(store, clock)
    pair.end()
    return {
        **judged(store, record),
        "sigkills_of_schedulers": KILLS,
        "open_firings_met_by_kills": dict(caught),
        "disk_filled_bytes": filled,
        "disk_full_seconds": FULL_SECONDS * len(filled),
        "times_told_disk_full": said.read_text().count("cannot be written"),
        "lost_keepers": said.read_text().count("lost "),
    }


def judged(store: Store, record: Path) -> dict[str, Any]:
    """The record that commands wrote, held against the independent count."""
    due = {
        f"{name} {moment.isoformat()}"
        for name, rule in RULES.items()
        for moment in counted_out(*rule)
    }
    lines = Counter(line.rpartition(" ")[0] for line in record.read_text().splitlines())
    ends = Counter(f.status for f in Places(store).book.history(10**6))
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
        "ends": dict(ends),
    }


def killed_keepers(folder: Path) -> dict[str, Any]:
    """The same days, keepers and commands killed: written down as killed, and run again."""
    store, record = Store(folder / "disk" / "retries"), folder / "retries.txt"
    record.touch()
    enter(store, "retry")
    clock, dice = Days(time.time(), SECONDS_OF_RETRIES), random.Random(SEED)
    words = [str(store.root), str(clock.began), str(clock.seconds), *SLOW, str(record)]
    pair, kills = Pair(words, folder / "said-2"), 0
    while kills < KEEPER_KILLS and not clock.over:
        time.sleep(dice.uniform(0.05, 0.5))
        kills += kill_a_keeper(store, dice)
    settle(store, clock)
    pair.end()
    found = judged(store, record)
    return {
        "sigkills_of_keepers": kills,
        **{key: found[key] for key in ("due", "ends", "commands_run", "never_fired")},
        "due_times_whose_command_ran_again": len(found["fired_more_than_once"]),
    }


def kill_a_keeper(store: Store, dice: random.Random) -> int:
    """SIGKILL to the session of one keeper, its command included; 0 when none was there."""
    running = [f.id for f in Places(store).book.open_firings() if f.status == "running"]
    if not running:
        return 0
    words = ["pipelines.schedule.keeper", str(store.root), str(dice.choice(running))]
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if line[3:6] == words:
            os.killpg(process.pid, signal.SIGKILL)
            return 1
    return 0


def measure(folder: Path) -> None:
    """Both parts, on a small disk of their own."""
    from machine import write_result

    disk = folder / "disk"
    disk.mkdir()
    size = f"size={DISK_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", str(disk)], check=True)
    days, retries = thirty_days(folder), killed_keepers(folder)
    simulated = {"days": (END - START).days, "seconds": SECONDS, "schedules": len(RULES)}
    write_result("schedule", {**simulated, **days, "killed_keepers": retries})


def main() -> None:
    """Once more, inside a user namespace, where a file system may be mounted."""
    if sys.argv[1:2] == ["--scheduler"]:
        schedule_for_ever(*sys.argv[2:])
    elif sys.argv[1:2] == ["--inside"]:
        measure(Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--inside", folder]
            subprocess.run(
                ["unshare", "--user", "--map-root-user", "--mount", *command], check=True
            )


if __name__ == "__main__":
    main()
