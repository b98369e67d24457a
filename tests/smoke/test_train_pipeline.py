"""The real thing, small: `plumbline` in a process of its own, a temporary store, generated images, both pipelines."""

from __future__ import annotations

import json
import socket
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from inspection.evaluation.classifiers import DISTILLED, MLP, PROBE, SMALL_HEAD
from tests.cli_line import EDGE, Line
from tests.smoke.train_material import CACHED, CONFIG, wait_until

pytestmark = [
    pytest.mark.zenml,
    pytest.mark.training,
    pytest.mark.usefixtures("nothing_left_running"),
]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return Line(tmp_path_factory.mktemp("line"), CONFIG)


@pytest.fixture(scope="module")
def first(line: Line) -> dict[str, Any]:
    return line.run()


def test_a_run_ends_with_everything_it_promises(line: Line, first: dict[str, Any]) -> None:
    assert first["status"] == "completed"
    assert set(first["steps"].values()) == {"completed"}
    assert len(first["steps"]) == 18
    assert first["aliases"] == ["challenger", "champion"]
    assert first["version"] == 1
    assert first["leak_rate"] == 0.0
    page = Path(first["report"]).read_text()
    assert "<html" in page
    assert Path(first["bundle"], "certificate.json").is_file()
    assert first["next"][0].startswith("plumbline-edge predict")
    assert "--unsigned" in first["next"][0]


def test_zenml_keeps_the_run_with_named_artifacts_and_no_pickle(
    line: Line, first: dict[str, Any]
) -> None:
    state = line.store / "zenml" / ".zenml" / "state"
    artifacts = next(state.glob("local_stores/*-*"))
    files = [path for path in artifacts.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if path.suffix in {".pkl", ".pickle", ".pt", ".joblib"}]
    names = {path.name for path in files}
    assert {"index.parquet", "record.json", "student.safetensors", "manifest.json"} <= names


def test_the_bundle_runs_on_the_edge(line: Line, first: dict[str, Any]) -> None:
    code, _, err = line.say("verify", first["bundle"], "--unsigned", door=EDGE)
    assert code == 0, err


def test_again_unchanged_repeats_no_finished_step(line: Line, first: dict[str, Any]) -> None:
    again = line.run()
    assert {n for n, status in again["steps"].items() if status == "cached"} == CACHED
    assert again["digest"] == first["digest"]
    assert again["version"] == 1  # the same bundle is not registered twice
    assert again["student"] == first["student"]
    assert Path(again["report"]).is_file()
    assert len(line.json("models")["models"]) == 1


def test_a_gate_that_refuses_writes_the_report_and_registers_nothing(
    line: Line, first: dict[str, Any]
) -> None:
    refused = line.run("gate.min_macro_f1=1.0", code=3)
    assert refused["status"] == "refused"
    assert {n for n, status in refused["steps"].items() if status == "cached"} == CACHED
    assert "below its floor" in refused["gate"]["sentence"]
    assert refused["version"] is None
    assert Path(refused["report"]).is_file()
    (model,) = line.json("models")["models"]
    assert (model["digest"], "champion" in model["aliases"]) == (first["digest"], True)
    last = line.json("runs")["runs"][-1]
    assert (last["status"], last["sentence"]) == ("refused", refused["gate"]["sentence"])


def test_the_report_shows_what_the_student_looked_at(first: dict[str, Any]) -> None:
    page = Path(first["report"]).read_text()
    chapter = page.partition('id="looked"')[0].rpartition("<section")[2]
    chapter += page.partition('id="looked"')[2].partition("</section>")[0]
    assert "Grad-CAM" in chapter
    assert "Does it look where people marked the defect?" in chapter
    assert chapter.count("<img") >= 10
    assert len(chapter) < 300_000


def test_the_report_holds_the_student_against_heads_on_features(first: dict[str, Any]) -> None:
    chapter = Path(first["report"]).read_text().partition('id="classifiers"')[2]
    chapter = chapter.partition("</section>")[0]
    for name in (PROBE, MLP, SMALL_HEAD, DISTILLED):
        assert chapter.count(f"<strong>{name}</strong>") == 2  # quality and cost
    assert "a linear probe on tuned features is left out" in chapter


@pytest.mark.slow
def test_the_example_notebook_analyses_the_run(
    line: Line, first: dict[str, Any], root: Path
) -> None:
    """In a kernel that is spoken to over files: no port is opened, nothing is fetched."""
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(root / "examples" / "analyse_a_run.ipynb", as_version=4)
    # As its reader would: otherwise it takes whichever run of this module ended last.
    assert 'RUN = ""' in book.cells[1].source
    book.cells[1].source = book.cells[1].source.replace('RUN = ""', f"RUN = {first['run']!r}")
    place = {"metadata": {"path": str(line.folder)}}
    client = NotebookClient(book, timeout=300, kernel_name="python3", resources=place)
    kernel = client.create_kernel_manager()
    # Sockets want short names: not below pytest's folders.
    with tempfile.TemporaryDirectory(prefix="nb") as sockets:
        kernel.transport, kernel.ip = "ipc", f"{sockets}/k"
        paths = {"PYTHONPATH": str(root), "IPYTHONDIR": f"{sockets}/ipython"}
        client.execute(env={**line.environment, **paths})
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    said = "".join(output.get("text", "") for output in outputs)
    data = [output.data for output in outputs if "data" in output]
    assert said.startswith(f"{first['run']}: completed")
    assert f"macro-F1 {first['student']['macro_f1']:.3f}" in said
    assert f"keeps {first['macro_f1_retention']:.1%}" in said
    assert sum("image/png" in found for found in data) == 5
    (versions, classes) = (found["text/html"] for found in data if "text/html" in found)
    assert first["digest"][:12] in versions
    assert all(name in classes for name in ("crack", "dent", "ok", "pit", "scratch", "stain"))


def test_bad_data_stops_before_training_with_a_page(line: Line, first: dict[str, Any]) -> None:
    refused = line.json("run", str(line.config), "checks.min_images_per_class=500", code=3)
    assert refused["error"] == "CheckFailed"
    assert "min_images_per_class" in refused["faults"][0]
    record = line.json("runs")["runs"][-1]
    assert record["status"] == "refused"
    assert record["steps"]["check_data"] == "completed"
    assert "train_student" not in record["steps"]
    assert "min_images_per_class" in Path(record["made"]["report"]).read_text()


def predict(line: Line, first: dict[str, Any], images: Sequence[Path], log: Path) -> None:
    paths = map(str, images)
    code, _, err = line.say(
        "predict", first["bundle"], "--unsigned", *paths, "--log", str(log), door=EDGE
    )
    assert code == 0, err


@pytest.fixture(scope="module")
def held_out(line: Line, first: dict[str, Any]) -> list[Path]:
    """The run's own test images."""
    from inspection.data.index import ImageIndex

    artifacts = (line.store / "zenml").rglob("index.parquet")
    index = next(i for i in map(ImageIndex.load, artifacts) if len(i.split("test")))
    return index.split("test").paths


def test_a_steady_line_is_steady_and_a_dark_one_is_flagged(
    line: Line, first: dict[str, Any], held_out: list[Path], tmp_path: Path
) -> None:
    import cv2

    predict(line, first, held_out, tmp_path / "log")
    before = list((line.store / "zenml").rglob("*.onnx"))
    steady = line.json("monitor", str(line.config), str(tmp_path / "log"))
    assert before, "the training keeps a bundle"
    assert list((line.store / "zenml").rglob("*.onnx")) == before, "a watch keeps none"
    assert steady["drifted"] is False
    assert Path(steady["report"]).is_file()
    assert Path(steady["evidently"]).is_file()
    rejected = steady["streams"][0]["decided"]["rejected"]
    assert rejected["batch"]["total"] == len(held_out)
    assert f"of {len(held_out)}, on the reference" in steady["decided"][0]
    assert "overkill" in steady["at_the_gate"]
    assert "What was decided" in Path(steady["report"]).read_text(encoding="utf-8")
    dark = tmp_path / "dark"
    dark.mkdir()
    for number, path in enumerate(held_out):
        cv2.imwrite(str(dark / f"{number}.png"), cv2.imread(str(path)) // 2)
    predict(line, first, sorted(dark.iterdir()), tmp_path / "dark_log")
    flagged = line.json("monitor", str(line.config), str(tmp_path / "dark_log"), code=3)
    assert flagged["drifted"] is True
    (stream,) = flagged["streams"]
    assert any(s["name"] == "brightness" and s["drifted"] for s in stream["signals"])
    assert stream["cause"] == "light"
    kept = line.json("drift", "history", "tiny")["records"]
    assert [record["drifted"] for record in kept] == [False, True]
    table = tmp_path / "log.parquet"
    assert line.json("log", str(tmp_path / "log"), str(table))["rows"] == len(held_out)
    assert table.is_file()


def test_a_log_of_another_bundle_is_the_users_mistake(
    line: Line, first: dict[str, Any], tmp_path: Path
) -> None:
    missing = line.json("monitor", str(line.config), str(tmp_path / "none"), code=2)
    assert "no such folder" in missing["faults"][0]


def test_doctor_and_report_and_runs_answer(line: Line, first: dict[str, Any]) -> None:
    assert line.json("doctor")["well"] is True
    assert Path(line.json("report", first["run"])["report"]).is_file()
    names = [run["name"] for run in line.json("runs")["runs"]]
    assert first["run"] in names


@pytest.mark.slow
def test_ui_serves_the_registry_on_the_loopback_address_and_leaves_nothing_running(
    line: Line, first: dict[str, Any]
) -> None:
    import psutil

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = line.start("ui", "--port", str(port))
    wait_until(lambda: _answers(port), process)
    asked = f"http://127.0.0.1:{port}/api/2.0/mlflow/registered-models/search"
    with urllib.request.urlopen(asked, timeout=30) as answer:
        assert json.load(answer)["registered_models"][0]["name"] == first["model"]
    servers = psutil.Process(process.pid).children(recursive=True)
    listening = [c for s in servers for c in s.net_connections("inet") if c.status == "LISTEN"]
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
    process.terminate()
    process.communicate(timeout=60)
    _, alive = psutil.wait_procs(servers, timeout=30)
    assert not alive


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
    except OSError:
        return False
    return True
