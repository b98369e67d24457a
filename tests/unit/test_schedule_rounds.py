"""The scheduler's rounds with real processes: what is due is started once, whoever is killed or stands beside it."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pipelines.schedule import loop
from pipelines.schedule.loop import serve
from pipelines.schedule.places import Places, held
from tests.unit.schedule_bench import HOUR, Bench, bench
from tests.unit.schedule_material import NOON, ended, places_in, planned, statuses, wait_until

__all__ = ["bench"]
pytestmark = pytest.mark.process


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
