"""OpenVINO sends nothing, keeps FP32 what it is, runs where it is named and nowhere else, and obeys the plan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.edge.bundle import load_golden
from deploy.edge.cli import main
from deploy.edge.comparison import pairs_of
from deploy.edge.engines import openvino
from deploy.edge.engines.openvino import check_compiled
from deploy.edge.engines.registry import open_engine
from deploy.edge.engines.resolver import ORDER, candidates
from deploy.edge.errors import EngineError, EngineUnavailable
from deploy.edge.inspector import Inspector
from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Manifest, Plan
from tests.edge_bundles import write_bundle
from tests.unit.edge_cli_material import Captured

# The planted fault must not reach anybody: whatever would be sent goes to a port where nobody listens.
NOWHERE = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")
WATCHED = """
import sys, time
tries = []
sys.addaudithook(lambda event, args: tries.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
{opening}
time.sleep(0.5)  # telemetry sends from a process of its own
print(tries)
"""


def watched(opening: str, home: Path) -> tuple[str, list[str]]:
    """What a program says that imports OpenVINO by `opening`, and what it left in its home folder."""
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WATCHED.format(opening=opening)],
        env={**os.environ, **NOWHERE, "HOME": str(home), "CI": ""},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip(), sorted(path.name for path in home.rglob("*") if path.is_file())


@pytest.mark.process
def test_opening_it__sends_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    ours = "from deploy.edge.engines.openvino import library; library().Core()"
    assert watched(ours, tmp_path / "ours") == ("[]", [])
    # The planted fault: without our guard it marks the machine with an identifier for its makers.
    assert "openvino_ga_cid" in watched("import openvino", tmp_path / "plain")[1]


def test_without_the_package__the_command_that_adds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(openvino.importlib.util, "find_spec", lambda _: None)
    folder = write_bundle(tmp_path / "bundle")
    assert main(["verify", str(folder), "--unsigned", "--engine", "openvino"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "OpenVINO cannot run here" in line
    assert "pip install 'plumbline[openvino]'" in line


def test_a_package_that_cannot_be_loaded__is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise OSError("libtbb.so.12:\n no such file")

    monkeypatch.setattr(openvino.importlib, "import_module", broken)
    with pytest.raises(EngineUnavailable, match=r"libtbb\.so\.12: no such file"):
        openvino.library()


@pytest.mark.parametrize(
    ("devices", "floats", "fine"),
    [
        (["CPU"], "float32", True),
        (["CPU"], "bfloat16", False),
        (["GPU.0"], "float32", False),
        (["CPU", "GPU.0"], "float32", False),
        ([], "float32", False),
    ],
)
def test_what_was_compiled__is_read_back(devices: list[str], floats: str, fine: bool) -> None:
    if fine:
        check_compiled(devices, floats)
    else:
        with pytest.raises(EngineError, match="asked for CPU in float32"):
            check_compiled(devices, floats)


def test_auto__never_takes_it() -> None:
    """A site that installs the extra goes on as before until somebody names it."""
    assert "openvino" not in ORDER
    assert candidates("auto") == ORDER
    assert candidates("auto", "openvino") == candidates("openvino") == ("openvino",)


def test_the_plan_names_its_threads_and_its_precision(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle", plans={"openvino": Plan("fp32", 1)})
    inspector = Inspector.open(folder, engine="auto", require="openvino")
    assert inspector.engine.name == "openvino"
    assert inspector.describe()["threads"] == 1
    assert inspector.describe()["floats"] == "float32"
    assert inspector.passed_over == ()


def test_it_is_compared_with_its_precisions(tmp_path: Path, capsys: Captured) -> None:
    folder = write_bundle(tmp_path / "bundle")
    assert ("openvino", "fp32") in pairs_of(
        Manifest.from_json((folder / "manifest.json").read_bytes())
    )
    arguments = ["bench", str(folder), "--unsigned", "--compare", "--repetitions", "2", "--json"]
    assert main([*arguments, "--batches", "1"]) == 0
    (one,) = (
        row
        for row in json.loads(capsys.readouterr().out)["contenders"]
        if row["engine"] == "openvino"
    )
    assert one["reason"] == ""
    assert one["p50_ms"] > 0


def test_the_request_s_memory_is_not_handed_out(tmp_path: Path) -> None:
    """The second answer must not write into the first."""
    folder = write_bundle(tmp_path / "bundle")
    inspector = Inspector.open(folder, engine="openvino", threads=1)
    engine = open_engine("openvino", folder / "model.onnx", threads=1)
    golden = load_golden(inspector.bundle).pixels
    dark, light = (preprocess(p, inspector.bundle.manifest.preprocessing)[None] for p in golden[:2])
    first = engine.run(dark)
    kept = first.probabilities.copy()
    engine.run(light)
    assert (first.probabilities == kept).all()
