"""The launcher without ZenML: places, environment, locks, records and what a death looks like afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inspection.errors import CheckFailed, PlumblineError, Refused
from inspection.store import Store
from pipelines.faults import as_ours, sentence_of
from pipelines.launcher import environment
from pipelines.launcher.launch import TRACE, flight
from pipelines.launcher.lock import exclusive
from pipelines.launcher.process import ProcessMark, this_process
from pipelines.launcher.run_records import RunRecord, all_runs

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def clock() -> datetime:
    return NOW


def test_only_the_checkouts_own_store_uses_the_checkouts_zenml(root: Path, tmp_path: Path) -> None:
    own = environment.places_of(Store(root / ".plumbline"))
    assert (own.repository, own.state) == (root, root / ".zenml" / "state")
    other = environment.places_of(Store(tmp_path))
    assert other.repository == tmp_path / "zenml"
    assert other.state.is_relative_to(other.folder)  # the two travel together
    assert other.code == own.code == root


def test_an_installed_package_never_writes_beside_its_code(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"  # no .zenml/README.md there
    site.mkdir()
    assert environment.places_of(Store(site / ".plumbline"), code=site).repository != site


def test_the_environment_is_set_in_a_fresh_process_and_nothing_imported(tmp_path: Path) -> None:
    script = """
        import os, sys
        from pathlib import Path
        from inspection.store import Store
        from pipelines.launcher import environment
        places = environment.places_of(Store(Path(sys.argv[1])))
        environment.prepare(places)
        assert "zenml" not in sys.modules
        for name in ("ZENML_REPOSITORY_DIRECTORY_NAME", "ZENML_CONFIG_PATH", "ZENML_CUSTOM_SOURCE_ROOT",
                     "ZENML_ANALYTICS_OPT_IN", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "GX_ANALYTICS_ENABLED"):
            print(name, os.environ[name])
        sys.modules["zenml"] = sys
        os.environ["ZENML_CONFIG_PATH"] = "/elsewhere"
        try:
            environment.prepare(places)
        except Exception as error:
            print("refused", error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ZENML_REPOSITORY_DIRECTORY_NAME .zenml" in done.stdout
    assert "DO_NOT_TRACK true" in done.stdout
    assert (
        "refused zenml was imported before its environment was set (ZENML_CONFIG_PATH)"
        in done.stdout
    )


def test_the_lock_keeps_another_process_out_and_dies_with_its_holder(tmp_path: Path) -> None:
    script = """
        import sys, time
        from pathlib import Path
        from pipelines.launcher.lock import exclusive
        with exclusive(Path(sys.argv[1])):
            print("held", flush=True)
            time.sleep(60)
    """
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "a" / "lock")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        import fcntl

        with (tmp_path / "a" / "lock").open("w") as stream, pytest.raises(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        holder.kill()
        holder.wait()
    started = time.monotonic()
    with exclusive(tmp_path / "a" / "lock"):
        assert time.monotonic() - started < 5


def test_a_process_mark_knows_the_living_from_the_dead_and_from_a_reused_number() -> None:
    mark = this_process()
    assert not mark.gone
    assert ProcessMark(mark.host, mark.pid, "another start").gone
    assert not ProcessMark("another-host", mark.pid, "another start").gone  # who knows
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    from pipelines.launcher.process import _start_of

    other = ProcessMark(mark.host, child.pid, _start_of(child.pid))
    assert not other.gone
    child.kill()
    time.sleep(0.1)
    assert other.gone  # not yet waited for: a zombie counts as dead
    child.wait()
    assert other.gone


def test_a_record_survives_the_disk_and_a_dead_run_reads_as_killed(tmp_path: Path) -> None:
    store, me = Store(tmp_path), this_process()
    dead = ProcessMark(me.host, me.pid, "gone")
    RunRecord("b-2", "train", "b", NOW + timedelta(1), me).write(store)
    RunRecord("a-1", "train", "a", NOW, dead, steps={"x": "cached"}, made={"n": 1}).write(store)
    first, second = all_runs(store)
    assert (first.name, first.status, first.steps, first.made) == (
        "a-1",
        "killed",
        {"x": "cached"},
        {"n": 1},
    )
    assert "run it again" in first.sentence
    assert (second.name, second.status) == ("b-2", "running")


def test_a_flight_that_lands_is_completed(tmp_path: Path) -> None:
    with flight("train", "demo", Store(tmp_path), clock) as trip:
        assert all_runs(Store(tmp_path))[0].status == "running"
        trip.note(made={"report": "r.html"})
    (record,) = all_runs(Store(tmp_path))
    assert record.status == "completed"
    assert record.seconds == 0.0
    assert record.name.startswith("demo-20260102-030405-")
    assert Path(trip.folder).is_dir()


def test_two_flights_in_one_second_have_two_folders(tmp_path: Path) -> None:
    with (
        flight("train", "demo", Store(tmp_path), clock) as one,
        flight("train", "demo", Store(tmp_path), clock) as two,
    ):
        assert one.folder != two.folder


@pytest.mark.parametrize(
    ("error", "status", "trace"),
    [
        (CheckFailed("12 images undecodable: mend them"), "refused", False),
        (Refused("macro_f1 0.5 below 0.9"), "refused", False),
        (PlumblineError("ours"), "failed", False),
        (ZeroDivisionError("division by zero"), "failed", True),
    ],
)
def test_a_flight_that_falls_says_why(
    tmp_path: Path, error: Exception, status: str, trace: bool
) -> None:
    with pytest.raises(type(error)), flight("train", "demo", Store(tmp_path), clock) as trip:
        raise error
    (record,) = all_runs(Store(tmp_path))
    assert (record.status, record.sentence) == (status, sentence_of(error))
    assert (Path(trip.folder) / TRACE).exists() is trace


def test_a_full_disk_does_not_hide_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "/store")

    def fall() -> None:
        with flight("train", "demo", Store(tmp_path), clock):
            monkeypatch.setattr("inspection.records.write_bytes", full)
            monkeypatch.setattr("pipelines.launcher.launch.write_bytes", full)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fall()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Refused("too low by 0.1"), "too low by 0.1"),
        (ValueError("first\nsecond"), "ValueError: first"),
        (ValueError(), "ValueError: no message"),
        (OSError(28, "No space left on device", "/x"), "No space left on device: /x"),
    ],
)
def test_any_exception_becomes_one_sentence(error: Exception, sentence: str) -> None:
    assert sentence_of(error) == sentence


def test_a_full_disk_is_the_users_and_says_the_remedy() -> None:
    disk = OSError(28, "No space left on device", "/store/x")
    wrapped = RuntimeError("could not save")
    wrapped.__cause__ = disk
    sqlite = RuntimeError("(sqlite3.OperationalError) database or disk is full")
    weights = RuntimeError("Error while serializing: I/O error: No space left on device")
    mlflow = RuntimeError(
        "(raised by autoflush)\n(sqlite3.OperationalError) database or disk is full\n[SQL: X]"
    )
    assert "database or disk is full: free some space" in str(as_ours(mlflow))
    for error in (disk, wrapped, sqlite, weights, mlflow):
        ours = as_ours(error)
        assert ours.exit_code == 2
        assert "PLUMBLINE_STORE" in str(ours)
        assert "\n" not in str(ours)


def test_a_damaged_database_is_the_users_and_says_the_remedy() -> None:
    for said in ("file is not a database", "database disk image is malformed"):
        ours = as_ours(RuntimeError(f"(sqlite3.DatabaseError) {said}\n[SQL: X]"))
        assert ours.exit_code == 2
        assert f"is damaged ({said}): put its backup back" in str(ours)


def test_anything_else_unforeseen_is_ours() -> None:
    assert as_ours(KeyError("x")).exit_code == 1
    missing = FileNotFoundError(2, "No such file or directory", "/x")
    assert as_ours(missing).exit_code == 1
    refused = RuntimeError("step failed")
    refused.__cause__ = Refused("too low")
    assert as_ours(refused) is refused.__cause__


def test_the_test_process_itself_is_alive() -> None:
    assert this_process().pid == os.getpid()
