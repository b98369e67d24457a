"""Keepers and the scheduler's rounds with real processes: what is started once, and what a kill leaves behind."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.schedule import loop
from pipelines.schedule.book import Book, Firing
from pipelines.schedule.keeper import keep, keep_by_hand, start_keeper
from pipelines.schedule.loop import Scheduler, serve
from pipelines.schedule.places import Places, held, taken
from tests.unit.schedule_material import (
    NOON,
    SHELL,
    ended,
    places_in,
    planned,
    statuses,
    wait_until,
)

pytestmark = pytest.mark.process
HOUR = timedelta(hours=1)


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


class Bench:
    """A scheduler on a clock; `script` is what every firing runs, in a shell whose $1 is the schedule's command."""

    def __init__(self, folder: Path, script: str) -> None:
        self.places, self.clock, self.script = places_in(folder), Clock(), script
        self.told: list[str] = []
        self.keepers: list[subprocess.Popen[bytes]] = []

    @property
    def book(self) -> Book:
        return self.places.book

    def start(self, firing: Firing) -> subprocess.Popen[bytes] | None:
        keeper = start_keeper(self.places.store, firing, [*SHELL, self.script, "sh"])
        if keeper is not None:
            self.keepers.append(keeper)
        return keeper

    def scheduler(self) -> Scheduler:
        return Scheduler(self.places, self.start, self.clock, lambda f: self.told.append(f.label))

    def firing(self, name: str = "line") -> Firing:
        (firing,) = self.book.history(1, name)
        return firing


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    return lambda script: Bench(tmp_path, script)


@pytest.mark.parametrize(
    ("script", "status", "code", "sentence"),
    [
        ("exit 0", "done", 0, ""),
        ("echo all well; echo 'error: it drifted' >&2; exit 3", "refused", 3, "it drifted"),
        ("echo 'error: no such config' >&2; echo more; exit 2", "failed", 2, "no such config"),
        ("exit 1", "failed", 1, "nothing said"),
        ("exit 130", "stopped", 130, "nothing said"),
        ("kill -KILL $$", "killed", -9, "ended by SIGKILL"),
    ],
)
def test_how_a_command_ended__is_written_with_its_reason(
    bench: Any, script: str, status: str, code: int, sentence: str
) -> None:
    made = bench(script)
    made.book.add(planned(), NOON)
    made.clock.at = NOON + HOUR
    assert made.scheduler().round() == 1
    ended(made.keepers[0])
    firing = made.firing()
    assert (firing.status, firing.exit_code, firing.sentence) == (status, code, sentence)
    assert firing.started is not None


def test_a_failure__is_told_by_the_keeper(bench: Any, tmp_path: Path) -> None:
    made = bench("echo 'error: no such config' >&2; exit 2")
    made.book.add(planned(folder=tmp_path), NOON)
    (made.places.store.root / "alerts.yaml").write_text(f"file: {tmp_path}/told.jsonl\n")
    made.clock.at = NOON + HOUR
    made.scheduler().round()
    ended(made.keepers[0])
    (told,) = map(json.loads, (tmp_path / "told.jsonl").read_text().splitlines())
    assert (told["kind"], told["what"]) == ("failed", "schedule 'line'")
    assert told["sentence"] == "no such config"
    assert told["origin"] == "firing of line 2026-06-01T13:00:00+00:00 1"


def test_the_command_gets_its_folder_store_and_name(bench: Any, tmp_path: Path) -> None:
    made = bench('pwd; echo "$1"; echo "$PLUMBLINE_STORE"; echo "$PLUMBLINE_FIRING"')
    made.book.add(planned(command=("two words",), folder=tmp_path), NOON)
    made.clock.at = NOON + HOUR
    made.scheduler().round()
    ended(made.keepers[0])
    said = made.places.log(made.firing()).read_text().splitlines()
    assert said == [
        str(tmp_path),
        "two words",
        str(made.places.store.root),
        "line 2026-06-01T13:00:00+00:00 1",
    ]


def test_a_folder_that_is_gone__is_a_failure_with_a_sentence(bench: Any, tmp_path: Path) -> None:
    made = bench("exit 0")
    made.book.add(planned(folder=tmp_path / "gone"), NOON)
    made.clock.at = NOON + HOUR
    made.scheduler().round()
    ended(made.keepers[0])
    assert made.firing().status == "failed"
    assert "did not start: No such file or directory" in made.firing().sentence


def test_one_at_a_time_per_lock__and_others_beside_it(bench: Any, tmp_path: Path) -> None:
    made = bench(f'touch {tmp_path}/"$1"; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done')
    for name, lock in (("a", "gpu"), ("b", "gpu"), ("c", "cpu")):
        made.book.add(planned(name, lock=lock, command=(name,)), NOON)
    made.clock.at = NOON + HOUR
    scheduler = made.scheduler()
    assert scheduler.round() == 2
    wait_until(lambda: (tmp_path / "a").exists() and (tmp_path / "c").exists())
    assert scheduler.round() == 0
    assert not (tmp_path / "b").exists()
    (tmp_path / "go").touch()
    for keeper in made.keepers:
        ended(keeper)
    assert scheduler.round() == 1
    ended(made.keepers[-1])
    assert [made.firing(name).status for name in "abc"] == ["done"] * 3


def test_killed_between_claim_and_start__the_next_scheduler_starts_it(bench: Any) -> None:
    made = bench("exit 0")
    made.book.add(planned(), NOON)
    made.book.claim(made.book.entry("line"), NOON + HOUR)  # and the scheduler is gone
    made.clock.at = NOON + HOUR
    assert made.scheduler().round() == 1
    ended(made.keepers[0])
    assert statuses(made.book) == ["done"]


def test_two_schedulers_and_ten_rounds__one_command(bench: Any, tmp_path: Path) -> None:
    made = bench(f"echo run >> {tmp_path}/runs")
    made.book.add(planned(), NOON)
    made.clock.at = NOON + HOUR
    one, other = made.scheduler(), made.scheduler()
    for _ in range(10):
        one.round()
        other.round()
    for keeper in made.keepers:
        ended(keeper)
    assert (tmp_path / "runs").read_text() == "run\n"


@pytest.mark.parametrize(
    ("on_kill", "after"), [("report", ["killed"]), ("retry", ["killed", "claimed"])]
)
def test_a_killed_keeper__its_firing_is_written_down_and_told(
    bench: Any, tmp_path: Path, on_kill: str, after: list[str]
) -> None:
    made = bench(f"touch {tmp_path}/began; sleep 60")
    made.book.add(planned(on_kill=on_kill), NOON)
    made.clock.at = NOON + HOUR
    made.scheduler().round()
    wait_until((tmp_path / "began").exists)
    assert statuses(made.book) == ["running"]
    made.scheduler()._settle()
    assert statuses(made.book) == ["running"]  # alive
    os.killpg(made.keepers[0].pid, signal.SIGKILL)
    made.keepers[0].wait()
    wait_until(lambda: not made.places.alive(made.firing()))
    made.scheduler()._settle()
    assert statuses(made.book) == after
    assert made.told == ["line 2026-06-01T13:00:00+00:00 1"]


def test_a_command_that_outlives_its_keeper__holds_its_lock_until_it_ends(
    bench: Any, tmp_path: Path
) -> None:
    made = bench(f"touch {tmp_path}/began; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done")
    made.book.add(planned(on_kill="retry"), NOON)
    made.clock.at = NOON + HOUR
    scheduler = made.scheduler()
    scheduler.round()
    wait_until((tmp_path / "began").exists)
    made.keepers[0].kill()  # not its command
    made.keepers[0].wait()
    assert scheduler.round() == 0
    assert statuses(made.book) == ["running"]
    (tmp_path / "go").touch()
    wait_until(lambda: not held(made.places.lock(made.firing())))
    assert scheduler.round() == 1
    ended(made.keepers[-1])
    assert statuses(made.book) == ["killed", "done"]


def test_sigterm_to_a_keeper__reaches_the_command_and_the_end_is_written(
    bench: Any, tmp_path: Path
) -> None:
    made = bench(f"trap 'exit 130' TERM; touch {tmp_path}/began; while true; do sleep 0.02; done")
    made.book.add(planned(), NOON)
    made.clock.at = NOON + HOUR
    made.scheduler().round()
    wait_until((tmp_path / "began").exists)
    made.keepers[0].terminate()
    ended(made.keepers[0])
    assert statuses(made.book) == ["stopped"]


def test_ctrl_c_to_a_call_by_hand__is_an_end_and_not_a_kill(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    places.book.add(planned(on_kill="retry"), NOON)
    firing = places.book.claim_by_hand("line", NOON)
    script = """
        import signal
        import sys
        from pathlib import Path
        from inspection.store import Store
        from pipelines.schedule.keeper import keep_by_hand
        from pipelines.schedule.places import Places
        from tests.unit.schedule_material import NOON
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a test in the background ignores it
        places = Places(Store(Path(sys.argv[1])))
        # One process: a shell that waits for a child swallows a Ctrl-C that the child has outrun.
        wait = "import sys, time; open(sys.argv[1], 'w').close(); time.sleep(60)"
        command = [sys.executable, "-c", wait, sys.argv[2]]
        keep_by_hand(places, places.book.firing(int(sys.argv[3])), command, lambda: NOON)
    """
    words = [str(places.store.root), str(tmp_path / "began"), str(firing.id)]
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *words],
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    wait_until((tmp_path / "began").exists)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 0
    assert statuses(places.book) == ["stopped"]


def test_a_disk_that_is_full_when_the_command_ends__the_keeper_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = places_in(tmp_path)
    places.book.add(planned(), NOON)
    firing = places.book.claim_by_hand("line", NOON)
    whole, waited = Book.finish, []

    def full(*_: Any) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    def wait(seconds: float) -> None:
        waited.append(seconds)
        monkeypatch.setattr(Book, "finish", whole)

    monkeypatch.setattr(Book, "finish", full)
    command = [*SHELL, "exit 0", "sh"]
    with taken(places.lock(firing), fcntl.LOCK_EX) as lock:
        assert lock is not None
        assert keep(places, firing, command, lambda: NOON, lock, wait)
    assert len(waited) == 1
    assert statuses(places.book) == ["done"]
    assert not keep_by_hand(places, firing, command, lambda: NOON)


def test_serve__tells_a_full_disk_once_and_goes_on_when_it_is_over() -> None:
    said: list[str] = []
    full = sqlite3.OperationalError("database or disk is full")
    outcomes: list[Exception | None] = [None, full, full, None, None]

    class Rounds:
        def round(self) -> int:
            outcome = outcomes.pop(0)
            if outcome is not None:
                raise outcome
            return 0

    def sleep(seconds: float) -> None:
        assert seconds == loop.EVERY_S
        if not outcomes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve(Rounds(), sleep, said.append)  # type: ignore[arg-type]
    assert len(said) == 2
    assert "database or disk is full" in said[0]
    assert "due times wait" in said[0]
    assert "can be written again" in said[1]


@pytest.mark.slow
def test_a_scheduler_killed_at_any_line__nothing_lost_nothing_double(tmp_path: Path) -> None:
    """SIGKILL after each of its calls to the disk in turn; a fresh one carries on; every hour is run once."""
    places = places_in(tmp_path)
    places.book.add(planned(missed="all"), NOON)
    script = """
        import os, signal, sys
        from datetime import timedelta
        from pathlib import Path
        from inspection.store import Store
        from pipelines.schedule.keeper import start_keeper
        from pipelines.schedule.loop import Scheduler
        from pipelines.schedule.places import Places
        from tests.unit.schedule_material import NOON
        root, hours, left, record = sys.argv[1:]
        store, left = Store(Path(root)), int(left)
        def count(frame, event, argument):
            global left
            left -= event in ("c_call", "c_return")
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        command = ["/bin/sh", "-c", f'echo "$PLUMBLINE_FIRING" >> {record}', "sh"]
        now = NOON + timedelta(hours=int(hours))
        scheduler = Scheduler(Places(store), lambda f: start_keeper(store, f, command), lambda: now, print)
        sys.setprofile(count)
        scheduler.round()
    """
    record, codes = tmp_path / "record", []
    for hours, left in enumerate([20, 250, 400, 550, 700, 1000, 10**9], 1):
        words = [str(places.store.root), str(hours), str(left), str(record)]
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), *words],
            cwd=Path(__file__).parents[2],
            check=False,
        )
        codes.append(done.returncode)
    assert codes.count(-signal.SIGKILL) >= 4, codes
    assert codes[-1] == 0
    bench = Bench(tmp_path, f'echo "$PLUMBLINE_FIRING" >> {record}')
    bench.clock.at = NOON + 7 * HOUR

    def drained() -> bool:
        bench.scheduler().round()
        return not bench.book.open_firings()

    wait_until(drained)
    expected = [f"line {(NOON + n * HOUR).isoformat()} 1" for n in range(1, 8)]
    assert sorted(record.read_text().splitlines()) == sorted(expected)


def test_places__nothing_is_made_by_asking(tmp_path: Path) -> None:
    places = Places(places_in(tmp_path).store)
    assert not held(places.at_work)
    assert not places.store.root.exists()
