"""Thirty days of five schedules: clocks changing, kills, a full disk, a second scheduler. All fired and moved once?

The real scheduler loop runs in two processes side by side on one store, with a clock that makes minutes of thirty days;
keepers and commands are real processes. Three of the schedules promote a model in the same store's registry, two of
them at nearly the same time. Either scheduler or both are killed (SIGKILL) at random moments (seeded) and started
again, and so are promotions under way. The store lies on a file system of its own (a tmpfs in a user namespace, so no
privilege is needed), which is filled to the last byte twice. Each command appends one line to a record elsewhere. What
was due is counted out minute by minute with zoneinfo alone, by other code than the scheduler's.

Then, with the same schedules and `on_kill: retry`, keepers and their commands are killed instead: what becomes of a
firing whose command may or may not have done its work.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from machine import write_result
from schedule_days import (
    END,
    RULES,
    START,
    Days,
    Pair,
    enter,
    judged,
    kill_a_keeper,
    settle,
)
from schedule_moves import Watch, judged_moves, prepare

from inspection.store import Store
from pipelines.schedule.places import Places

PROMOTING = ("berlin", "lord-howe", "sydney")
KILLS, MOVE_KILLS, KEEPER_KILLS = 100, 40, 30
FULL_AT, FULL_SECONDS = (0.3, 0.7), 12.0
"""Shares of the days after which the disk is filled, and for how long."""
SECONDS, SECONDS_OF_RETRIES = 540.0, 150.0
"""That the days take."""
LATEST_KILL_S = 3.0
"""After a promotion was seen to run; it takes about as long."""
DISK_BYTES = 64 * 2**20
SEED = 7
LINE = 'printf "%s\\n" "$PLUMBLINE_FIRING" >> "$0"'
PROMOTE = f'{LINE}; case "$PLUMBLINE_FIRING" in {"*|".join(PROMOTING)}*) exec "$@";; esac'


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


def kill_moves(store: Store, clock: Days, kills: list[int]) -> None:
    """SIGKILL to promotions under way, each at some moment of its life, until there were enough of them."""
    dice = random.Random(SEED)
    while len(kills) < MOVE_KILLS and not clock.over:
        if any(f.schedule.name in PROMOTING for f in Places(store).book.open_firings()):
            time.sleep(dice.uniform(0.0, LATEST_KILL_S))
            kills += [1] * kill_a_keeper(store, dice, PROMOTING)
            time.sleep(dice.uniform(0.0, 2 * LATEST_KILL_S))  # some are left alone
        time.sleep(0.05)


def thirty_days(folder: Path) -> dict[str, Any]:
    """Schedulers and promotions killed, disk filled; record and ledger against what was due."""
    disk, record, moves = folder / "disk", folder / "days.txt", folder / "moves.txt"
    store, said = Store(disk / "days"), folder / "said"
    record.touch()
    moves.touch()
    prepare(store, folder / "made")
    enter(store, "report")
    clock, watch = Days(time.time(), SECONDS), Watch(store)
    times = [str(store.root), str(clock.began), str(clock.seconds)]
    mover = [sys.executable, str(Path(__file__).with_name("schedule_moves.py")), *times, str(moves)]
    pair = Pair([*times, "/bin/sh", "-c", PROMOTE, str(record), *mover], said)
    filled, killed, caught = list[int](), list[int](), Counter[str]()
    beside = [
        threading.Thread(target=fill_disk_at, args=(disk, clock.began, FULL_AT, filled)),
        threading.Thread(target=kill_moves, args=(store, clock, killed)),
    ]
    for thread in beside:
        thread.start()
    for moment, which, wait in kills_planned(random.Random(SEED)):
        time.sleep(max(0.0, clock.began + moment - time.time()))
        caught.update(firing.status for firing in Places(store).book.open_firings())
        pair.kill(which, wait)
        watch.look()
    for thread in beside:
        thread.join()
    settle(store, clock)
    pair.end()
    return {
        **judged(store, record),
        "sigkills_of_schedulers": KILLS,
        "sigkills_of_promotions": len(killed),
        "open_firings_met_by_kills": dict(caught),
        "disk_filled_bytes": filled,
        "disk_full_seconds": FULL_SECONDS * len(filled),
        "times_told_disk_full": said.read_text().count("cannot be written"),
        "lost_keepers": said.read_text().count("lost "),
        "registry": judged_moves(watch, moves),
    }


def killed_keepers(folder: Path) -> dict[str, Any]:
    """The same days, keepers and commands killed: written down as killed, and run again."""
    store, record = Store(folder / "disk" / "retries"), folder / "retries.txt"
    record.touch()
    enter(store, "retry")
    clock, dice = Days(time.time(), SECONDS_OF_RETRIES), random.Random(SEED)
    words = [
        str(store.root),
        str(clock.began),
        str(clock.seconds),
        "/bin/sh",
        "-c",
        f"{LINE}; sleep 0.4",
        str(record),
    ]
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


def measure(folder: Path) -> None:
    """Both parts, on a small disk of their own."""
    disk = folder / "disk"
    disk.mkdir()
    size = f"size={DISK_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", str(disk)], check=True)
    days, retries = thirty_days(folder), killed_keepers(folder)
    simulated = {"days": (END - START).days, "seconds": SECONDS, "schedules": len(RULES)}
    write_result("schedule", {**simulated, **days, "killed_keepers": retries})


def main() -> None:
    """Once more, inside a user namespace, where a file system may be mounted."""
    if sys.argv[1:2] == ["--inside"]:
        measure(Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--inside", folder]
            subprocess.run(
                ["unshare", "--user", "--map-root-user", "--mount", *command], check=True
            )


if __name__ == "__main__":
    main()
