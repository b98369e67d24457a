"""MLflow itself on a fresh SQLite file: what was written is read back by its own client."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from deploy.registry.tracking import (
    TrackedRun,
    flat,
    open_tracking,
    speaking,
    track_run,
    tracking_uri,
)
from inspection.errors import UserError
from inspection.store import Store
from pipelines.cli import run_command_line
from tests.registry_sites import empty_database, store_on

__all__ = ["empty_database"]

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from pathlib import Path
from deploy.registry.tracking import TrackedRun, track_run
from inspection.store import Store
name = sys.argv[2]
print(track_run(Store(Path(sys.argv[1])), "race", TrackedRun(name, metrics={"who": float(name)})))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(tmp_path_factory.mktemp("registry") / "store")


def test_a_run_is_written_down_whole(store, tmp_path):
    picture = tmp_path / "confusion.png"
    picture.write_bytes(b"picture")
    run = TrackedRun(
        name="first",
        params={"seed": 7, "teacher": {"backbone": "resnet18", "long": "x" * 9000}},
        metrics={"macro_f1": 0.75},
        tags={"code": "abc"},
        pictures=[picture],
    )
    run_id = track_run(store, "demo", run)
    client = open_tracking(store)
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params["teacher.backbone"] == "resnet18"
    assert found.data.params["teacher.long"].startswith("xxx")
    assert found.data.metrics == {"macro_f1": 0.75}
    assert found.data.tags["code"] == "abc"
    assert [f.path for f in client.list_artifacts(run_id, "pictures")] == ["pictures/confusion.png"]


def test_everything_lies_inside_the_store(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_id = track_run(store, "elsewhere", TrackedRun("x", pictures=[Path(__file__)]))
    assert list(tmp_path.iterdir()) == []
    assert store.mlflow_database.is_file()
    place = open_tracking(store).get_run(run_id).info.artifact_uri
    assert place.startswith(store.mlflow_artifacts.resolve().as_uri())
    assert tracking_uri(store).endswith("mlflow.db")


def test_a_run_that_breaks_is_marked_failed(store, tmp_path):
    with pytest.raises(OSError, match="missing"):
        track_run(store, "broken", TrackedRun("x", pictures=[tmp_path / "missing.png"]))
    client = open_tracking(store)
    experiment = client.get_experiment_by_name("broken")
    assert [r.info.status for r in client.search_runs([experiment.experiment_id])] == ["FAILED"]


@pytest.mark.slow
def test_four_processes_may_start_at_once_on_a_store_that_does_not_exist(tmp_path):
    place = tmp_path / "fresh"
    command = [sys.executable, "-c", WRITER, str(place)]
    racers = [
        subprocess.Popen(
            [*command, str(number)],
            cwd=ROOT,
            env={**os.environ, "HOME": str(tmp_path / "home")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    said = [racer.communicate(timeout=240) for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0], "\n".join(e for _, e in said)
    client = open_tracking(Store(place))
    experiment = client.get_experiment_by_name("race")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.metrics["who"] for run in runs) == [0.0, 1.0, 2.0, 3.0]
    assert sorted(out.strip() for out, _ in said) == sorted(run.info.run_id for run in runs)
    # Telemetry off: MLflow keeps its notes about users in the home folder.
    assert not list((tmp_path / "home").rglob("telemetry*"))


def test_nested_parameters_get_dotted_names():
    assert flat({"a": 1, "b": {"c": {"d": 2}}}) == {"a": 1, "b.c.d": 2}


def test_tracking_uri__setting_moves_the_store_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    monkeypatch.setenv("PLUMBLINE_TRACKING_URI", f"sqlite:///{elsewhere}")
    store = Store(tmp_path / "store")
    track_run(store, "line", TrackedRun("run"))
    assert elsewhere.exists()
    assert not store.mlflow_database.exists()


@pytest.mark.parametrize("begin", [0, 8192])
def test_a_damaged_database_is_named_with_its_remedy(
    empty_database: Path,
    tmp_path: Path,
    begin: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = store_on(empty_database, tmp_path / "store")
    monkeypatch.setenv("PLUMBLINE_STORE", str(store.root))
    with store.mlflow_database.open("r+b") as database:
        database.seek(begin)
        database.write(b"\xfe" * (store.mlflow_database.stat().st_size - begin))
    with pytest.raises(
        UserError, match="is damaged"
    ):  # a run, which does not ask the registry by a command
        open_tracking(store)
    for asked in (["history", "demo"], ["models"], ["promote", "demo", "1", "--reason", "x"]):
        assert run_command_line(asked) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith(f"error: {store.mlflow_database}: is damaged (")
        assert "put its backup back; this machine's copies of the ledgers" in line
        assert str(store.ledgers) in line


def test_a_database_damaged_after_it_was_opened_is_told_too(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_tracking(store)
    damaged = MlflowException("(sqlite3.DatabaseError) database disk image is malformed\n[SQL: X]")

    def read(*_: object, **__: object) -> None:
        raise damaged

    monkeypatch.setattr(type(client), "get_model_version", read)
    with (
        pytest.raises(UserError, match=r"mlflow\.db: is damaged \(database disk image is"),
        speaking(store),
    ):
        client.get_model_version("demo", "1")
    monkeypatch.setenv("PLUMBLINE_TRACKING_URI", "http://ann:secret@registry.plant:5000")
    with (
        pytest.raises(UserError, match=r"'http://registry\.plant:5000' does not do"),
        speaking(store),
    ):
        client.get_model_version("demo", "1")


def test_what_a_database_says_is_logged_only_when_asked_for(
    empty_database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """MLflow logs it with its SQL, and raises it: as a sentence it is enough."""
    store = store_on(empty_database, tmp_path / "store")
    client = open_tracking(store)
    with contextlib.closing(sqlite3.connect(store.mlflow_database)) as database:
        database.execute("ALTER TABLE registered_models RENAME TO gone")
    capsys.readouterr()
    for debug, logged in (("", False), ("0", False), ("1", True)):
        monkeypatch.setenv("PLUMBLINE_DEBUG", debug)
        with pytest.raises(MlflowException, match="no such table"):
            client.search_registered_models()
        assert ("[SQL: " in capsys.readouterr().err) == logged
