"""Mistakes that a new user makes within the first hour, through the real command."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inspection.errors import DataError, Interrupted
from inspection.store import Store
from pipelines.faults import as_ours
from pipelines.launcher.launch import flight
from pipelines.launcher.run_records import all_runs
from tests.unit.test_glue_cli import plumbline

pytestmark = pytest.mark.process

LOG = '{"half": '


@pytest.fixture
def device_log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "predictions-000001.jsonl").write_text(LOG)
    return folder


@pytest.mark.parametrize("target", ["log/predictions-000001.jsonl", "notes.txt", "log", ""])
def test_log_replaces_nothing_but_a_parquet_file(
    tmp_path: Path, device_log: Path, target: str
) -> None:
    (tmp_path / "notes.txt").write_text("precious")
    said = plumbline(tmp_path, "log", "log", target)
    assert said.returncode == 2
    assert said.stderr.count("\n") == 1
    assert (device_log / "predictions-000001.jsonl").read_text() == LOG
    assert (tmp_path / "notes.txt").read_text() == "precious"


@pytest.mark.parametrize("out", ["folder", "", "run.json"])
def test_report_replaces_nothing_but_a_page(tmp_path: Path, out: str) -> None:
    (tmp_path / "folder").mkdir()
    store, name = Store(tmp_path / "store"), "demo-1"
    with flight("train", "demo", store, lambda: datetime.now(UTC)) as trip:
        name = trip.record.name
        (store.runs / name / "report.html").write_text("<html>")
    said = plumbline(tmp_path, "report", name, "--out", out)
    assert said.returncode == 2, said.stderr
    assert "give" in said.stderr
    copied = plumbline(tmp_path, "report", name, "--out", "copy.html")
    assert copied.returncode == 0
    assert (tmp_path / "copy.html").read_text() == "<html>"


@pytest.mark.parametrize("command", [["runs"], ["models"], ["doctor"], ["report"]])
def test_a_store_that_is_a_file_is_told_by_every_command(
    tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "precious.txt").write_text("x")
    said = plumbline(tmp_path, *command, PLUMBLINE_STORE=str(tmp_path / "precious.txt"))
    assert said.returncode == 2
    assert "PLUMBLINE_STORE" in said.stderr
    assert "is a file; give a folder" in said.stderr


def test_a_store_that_cannot_be_made_is_the_users_to_mend(tmp_path: Path) -> None:
    config = tmp_path / "x.yaml"
    config.write_text("name: demo\ndata: {kind: synthetic}\n")
    said = plumbline(tmp_path, "run", str(config), PLUMBLINE_STORE="/proc/x/y")
    assert said.returncode == 2
    assert "PLUMBLINE_STORE: cannot make '/proc/x/y'" in said.stderr


def test_a_misspelt_variable_is_warned_about(tmp_path: Path) -> None:
    said = plumbline(tmp_path, "runs", PLUMBLINE_STOER="1")
    assert said.returncode == 0
    assert "unknown setting 'PLUMBLINE_STOER': did you mean 'PLUMBLINE_STORE'?" in said.stderr


@pytest.mark.parametrize("arguments", [["runs", "--last", "0"], ["run"], ["models", "--bogus"]])
def test_a_wrong_command_line_is_a_document_too(tmp_path: Path, arguments: list[str]) -> None:
    said = plumbline(tmp_path, *arguments, "--json")
    document = json.loads(said.stdout)
    assert said.returncode == document["exit_code"] == 2
    assert document["error"] == "UsageError"
    assert document["faults"][0]


def test_names_of_runs_are_never_cut(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with (
        pytest.raises(RuntimeError),
        flight("monitor", "demo", store, lambda: datetime.now(UTC)),
    ):
        raise RuntimeError("a very long sentence " * 20)
    (record,) = all_runs(store)
    for columns in ("40", "80", "200"):
        shown = plumbline(tmp_path, "runs", COLUMNS=columns).stdout
        assert record.name in shown
        assert "monitor" in shown
        assert "failed" in shown
        assert shown.count("a very long sentence") == 20


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Interrupted("stopped")])
def test_a_run_stopped_by_hand_is_called_stopped(tmp_path: Path, stop: BaseException) -> None:
    store = Store(tmp_path)
    with (
        pytest.raises(type(stop)),
        flight("train", "demo", store, lambda: datetime.now(UTC)) as trip,
    ):
        raise stop
    (record,) = all_runs(store)
    assert record.status == "stopped"
    assert record.sentence.startswith("stopped")
    assert as_ours(stop).exit_code == 130
    assert not (store.runs / trip.record.name / "traceback.txt").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: &a [*a]", "holds itself"),
        ("name:\n\t- x", "not readable as YAML"),
        ("- a", "holds a list"),
    ],
)
def test_broken_yaml_is_told_without_jargon(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    shown = plumbline(tmp_path, "run", "x.yaml")
    assert shown.returncode == 2
    assert said in shown.stderr
    assert "unicode string" not in shown.stderr
    assert "NoneType" not in shown.stderr


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    assert "is a folder" in plumbline(tmp_path, "run", ".").stderr


def test_weights_that_are_not_there_are_told_before_anything_is_opened(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("name: demo\ndata: {kind: synthetic}\n")
    gone = ["teacher.weights=gone.safetensors", "student.weights=lost.safetensors"]
    said = plumbline(tmp_path, "run", "x.yaml", *gone)
    assert said.returncode == 2
    assert said.stderr.count("error: ") == 2
    assert "teacher.weights: there is no file 'gone.safetensors'" in said.stderr
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    "change", ["seed=99999999999999999999", "student.learning_rate=.inf", "student.epochs=0"]
)
def test_numbers_that_nothing_can_count_with_are_refused_at_the_door(
    tmp_path: Path, change: str
) -> None:
    (tmp_path / "x.yaml").write_text("name: demo\ndata: {kind: synthetic}\n")
    said = plumbline(tmp_path, "run", "x.yaml", change)
    assert said.returncode == 2
    assert change.partition("=")[0] in said.stderr


def test_a_registry_that_mlflow_cannot_open_is_told_at_once(tmp_path: Path) -> None:
    said = plumbline(tmp_path, "models", PLUMBLINE_TRACKING_URI="junk://x")
    assert said.returncode == 2
    assert "PLUMBLINE_TRACKING_URI: 'junk://x' must begin with sqlite:///" in said.stderr


def test_a_dotenv_of_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("PLUMBLINE_DATA=/Prüfstand".encode("latin-1"))
    said = plumbline(tmp_path, "runs")
    assert said.returncode == 2
    assert ".env: is not UTF-8" in said.stderr


def test_a_taken_port_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        said = plumbline(tmp_path, "ui", "--port", str(port))
    assert said.returncode == 2
    assert f"port {port} is taken" in said.stderr


def test_a_run_without_a_report_says_how_it_ended(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with (
        pytest.raises(DataError),
        flight("train", "demo", store, lambda: datetime.now(UTC)) as trip,
    ):
        raise DataError("no images at all")
    said = plumbline(tmp_path, "report", trip.record.name)
    assert said.returncode == 2
    assert "has no report (failed: no images at all)" in said.stderr
    assert "Next:" not in plumbline(tmp_path, "runs").stdout


def test_files_named_beside_the_data_are_asked_for_before_anything_is_opened(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.yaml").write_text(
        "name: line\ndata: {kind: synthetic, edits: [gone.json]}\nchecks: {profile: lost.json}\n"
    )
    said = plumbline(tmp_path, "run", "a.yaml")
    assert said.returncode == 2
    assert "data.edits: there is no file 'gone.json'" in said.stderr
    assert "checks.profile: there is no file 'lost.json'" in said.stderr
    assert not (tmp_path / "store").exists()
