"""What a device gets: `pip install .` without extras, in an environment of its own, from a copy of the checkout."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.edge_bundles import CLASSES, pictures, png, write_bundle

pytestmark = pytest.mark.slow

PACKAGES = ["pipelines", "steps", "materializers", "deploy", "data_checks", "inspection"]
Say = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def say(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Say:
    """Run one of the installed commands, far from the checkout."""
    folder = tmp_path_factory.mktemp("device")
    source = folder / "source"
    source.mkdir()
    for name in PACKAGES:
        shutil.copytree(root / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source / name)
    _done([sys.executable, "-m", "venv", str(folder / "env")])
    _done([str(folder / "env" / "bin" / "python"), "-m", "pip", "install", "-q", str(source)])
    shutil.rmtree(source)

    def say(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(folder / "env" / "bin" / command), *arguments],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )

    return say


def _done(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


def test_it_holds_the_runtime_and_nothing_heavier(say: Say) -> None:
    listed = say("python", "-m", "pip", "list", "--format=json")
    names = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert {"plumbline", "numpy", "onnxruntime", "opencv-python-headless", "cryptography"} <= names
    assert not names & {"torch", "zenml", "mlflow", "pandas", "pydantic", "typer", "pillow"}


def test_a_bundle_is_verified_run_and_timed(say: Say, bundle: Path, tmp_path: Path) -> None:
    images = [tmp_path / f"{number}.png" for number in range(3)]
    for path, pixels in zip(images, pictures(3), strict=True):
        path.write_bytes(png(pixels))
    assert say("plumbline-edge", "verify", str(bundle), "--unsigned").returncode == 0
    log = tmp_path / "log"
    found = say(
        "plumbline-edge", "predict", str(bundle), "--unsigned", str(tmp_path), "--log", str(log)
    )
    assert found.returncode == 0, found.stderr
    answers = [json.loads(line) for line in found.stdout.splitlines()]
    assert [Path(answer["path"]).name for answer in answers] == ["0.png", "1.png", "2.png"]
    assert all(answer["label"] in CLASSES for answer in answers)
    assert sum(len(part.read_text().splitlines()) for part in log.glob("*.jsonl")) == 3
    assert say("plumbline-edge", "bench", str(bundle), "--unsigned").returncode == 0


def test_the_workshops_command_prints_what_to_install(say: Say) -> None:
    for arguments in ([], ["run", "config.yaml"], ["--help"]):
        said = say("plumbline", *arguments)
        assert said.returncode == 2
        assert "pip install '.[pipeline]'" in said.stderr
        assert "Traceback" not in said.stderr
