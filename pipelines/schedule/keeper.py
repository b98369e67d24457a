"""The process around one firing: takes its lock, runs its command, writes how it ended. `python -m` starts it.

A session of its own, so that it outlives the scheduler. Keeper and command hold two locks in common, of the firing and
of its lock group: only when both are gone has the firing ended.

Covered: the scheduler killed at any moment, between claim and start too; several keepers for one claim; a disk that is
full when the command ends (the keeper waits with the answer). Not covered: a keeper killed while its command runs: the
firing is `killed`, and by `on_kill` the command is run again or not, because nobody can know how far it came.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from inspection.data.readers.stated import one_line
from inspection.errors import Interrupted, Refused
from inspection.store import Store
from pipelines.faults import sentence_of
from pipelines.schedule.book import Firing, Status
from pipelines.schedule.places import Places, taken
from pipelines.settings import FIRING

PLUMBLINE = (sys.executable, "-P", "-m", "pipelines.entry")
"""What stands before a schedule's command; -P keeps the folder it is started in off the path."""
ENDS: Mapping[int, Status] = {
    0: "done",
    Refused.exit_code: "refused",
    Interrupted.exit_code: "stopped",
}
TAIL = 4000
"""Bytes of a log in which its last error is looked for."""
WAIT_S = 1.0
"""Between attempts to write an end that the disk does not take."""


def start_keeper(
    store: Store, firing: Firing, program: Sequence[str] = PLUMBLINE
) -> subprocess.Popen[bytes] | None:
    """A process of its own that keeps `firing`, born with the lock of its group; None when that is taken.

    `program` stands before the schedule's command.
    """
    with taken(Places(store).lock(firing), fcntl.LOCK_EX) as lock:
        if lock is None:
            return None
        words = [str(store.root), str(firing.id), str(lock), *program]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[lock],
        )


def keep_by_hand(
    places: Places, firing: Firing, program: Sequence[str], now: Callable[[], datetime]
) -> bool:
    """Keep `firing` in this process; False when the lock of its group is taken."""
    with taken(places.lock(firing), fcntl.LOCK_EX) as lock:
        return lock is not None and keep(places, firing, program, now, lock)


def keep(
    places: Places,
    firing: Firing,
    program: Sequence[str],
    now: Callable[[], datetime],
    lock: int,
    wait: Callable[[float], None] = time.sleep,
) -> bool:
    """Run the command of a claimed firing under `lock`, which is held; False when another has begun it."""
    with taken(places.log(firing), fcntl.LOCK_EX) as log:
        if log is None or not places.book.begin(firing.id, now()):
            return False
        status, sentence, code = _run(places, firing, program, lock, log)
        ended = now()
        while True:
            try:
                places.book.finish(firing, status, sentence, ended, code)
                return True
            except (sqlite3.Error, OSError):
                # Given up, the firing would count as killed, and might be run a second time.
                wait(WAIT_S)


def _run(
    places: Places, firing: Firing, program: Sequence[str], lock: int, log: int
) -> tuple[Status, str, int | None]:
    environment = {"PLUMBLINE_STORE": str(places.store.root), FIRING: firing.label}
    try:
        process = subprocess.Popen(
            [*program, *firing.schedule.command],
            cwd=firing.schedule.folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],
        )
    except OSError as error:
        return "failed", f"did not start: {sentence_of(error)}", None
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        code = process.wait()
    except KeyboardInterrupt:  # by hand in a terminal, where the command has had the signal too
        return "stopped", "stopped by Ctrl-C", process.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
    if code < 0:
        return "killed", f"ended by {signal.Signals(-code).name}", code
    return ENDS.get(code, "failed"), _error(places.log(firing)) if code else "", code


def _error(log: Path) -> str:
    """The command's last error, else what it said last."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - TAIL))
        lines = stream.read().decode(errors="replace").splitlines()
    said = [line.strip() for line in lines if line.strip()]
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    return one_line((errors or said or ["nothing said"])[-1])


def main(arguments: Sequence[str]) -> int:
    """`STORE FIRING LOCK PROGRAM…`, with LOCK a descriptor that was inherited."""
    root, number, lock, *program = arguments
    places = Places(Store(Path(root)))
    firing = places.book.firing(int(number))
    if keep(places, firing, program, lambda: datetime.now(UTC), int(lock)):
        # Seldom needed, and a tenth of a second to import.
        from pipelines.schedule.told import tell_of

        tell_of(places, places.book.firing(firing.id))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
