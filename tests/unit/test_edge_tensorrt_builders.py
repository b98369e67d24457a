"""Two processes that want one engine, and one that is killed while it keeps it. No TensorRT."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.edge_bundles import graph
from tests.unit.engine_cache_material import Workshop, engines

pytestmark = pytest.mark.process


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(graph().SerializeToString())
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "engines"


PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from tests.unit.engine_cache_material import Workshop
model, folder, scratch, how = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
scratch.mkdir(exist_ok=True)
shop = Workshop(scratch)
def prove(engine):
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.7)
    return 0.5
ready = shop.ready(model, folder, prove=prove)
print(shop.builds, ready.path.name, *shop.said, sep="|")
"""


def start(root: Path, model: Path, folder: Path, how: str) -> subprocess.Popen[str]:
    scratch = folder.parent / f"scratch-{how}"
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(PROGRAM),
            str(model),
            str(folder),
            str(scratch),
            how,
        ],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes__build_once(root: Path, model: Path, folder: Path) -> None:
    both = [start(root, model, folder, how) for how in ("one", "two")]
    lines = [process.communicate(timeout=50)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(int(line.split("|")[0]) for line in lines) == [0, 1]
    assert len(engines(folder)) == 1


def test_kill_between_write_and_rename__leaves_no_engine_and_no_rubbish(
    root: Path, tmp_path: Path, model: Path, folder: Path
) -> None:
    process = start(root, model, folder, "killed")
    process.communicate(timeout=50)
    assert process.returncode == -signal.SIGKILL
    assert engines(folder) == []
    assert len(list(folder.glob(".*.engine"))) == 1  # written, and never renamed
    assert Workshop(tmp_path).ready(model, folder).built is not None
    assert list(folder.glob(".*.engine")) == []
    assert len(engines(folder)) == 1
