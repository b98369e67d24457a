"""Keepers with real processes: what each command was given, how it ended, and what a kill leaves behind."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pipelines.schedule.book import Book
from pipelines.schedule.keeper import keep, keep_by_hand
from pipelines.schedule.places import held, taken
from tests.unit.schedule_bench import HOUR, bench
from tests.unit.schedule_material import (
    NOON,
    SHELL,
    ended,
    places_in,
    planned,
    statuses,
    wait_until,
)

__all__ = ["bench"]
pytestmark = pytest.mark.process


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
