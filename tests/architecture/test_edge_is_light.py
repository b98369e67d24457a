"""The device's package imports behind a wall: numpy, OpenCV, ONNX Runtime, cryptography, the standard library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

WALL = """
import importlib, pkgutil, sys

ALLOWED = {"numpy", "cv2", "onnxruntime", "cryptography", "deploy"} | set(sys.stdlib_module_names)
HEAVY = set(%r)

class Wall:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top in HEAVY:
            raise ImportError(f"the edge reached for {name}")
        return None

sys.meta_path.insert(0, Wall())
import deploy.edge
for module in pkgutil.walk_packages(deploy.edge.__path__, "deploy.edge."):
    importlib.import_module(module.name)
%s
OURS = {"inspection", "data_checks", "pipelines", "steps", "materializers"}
ours = {name for name in sys.modules if name.split(".")[0] in OURS}
ours |= {name for name in sys.modules if name.startswith(("deploy.export", "deploy.registry"))}
assert not ours, ours
"""

HEAVY = [
    "torch", "torchvision", "timm", "lightning", "zenml", "mlflow", "pandas", "pyarrow", "sklearn", "scipy", "onnx",
    "pydantic", "yaml", "typer", "rich", "click", "matplotlib", "great_expectations", "evidently", "PIL",
]  # fmt: skip


def behind_the_wall(root: Path, extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WALL % (HEAVY, extra)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_edge__imports_behind_the_wall(root: Path) -> None:
    result = behind_the_wall(root, "")
    assert result.returncode == 0, result.stderr


def test_wall__stops_a_heavy_import(root: Path) -> None:
    result = behind_the_wall(root, "import pandas")
    assert "the edge reached for pandas" in result.stderr


def test_data_checks__import_without_torch_and_zenml(root: Path) -> None:
    program = WALL.split("import deploy.edge")[0] % (
        ["torch", "torchvision", "timm", "zenml", "lightning"],
    )
    program += (
        "import importlib, pkgutil, data_checks, inspection.data\n"
        "for package in (data_checks, inspection.data):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_data_room_works_without_torch_and_zenml(root: Path, tmp_path: Path) -> None:
    wall = WALL.split("import deploy.edge")[0] % (
        ["torch", "torchvision", "timm", "zenml", "lightning", "mlflow", "onnx", "evidently", "safetensors"],
    )  # fmt: skip
    program = f"""{wall}
import os
import cv2, numpy as np
sys.path.insert(0, {str(root)!r})
rng = np.random.default_rng(0)
for label in ("ok", "scratch"):
    for i in range(8):
        os.makedirs(f"images/{{label}}", exist_ok=True)
        grain = cv2.GaussianBlur(rng.normal(0, 30, (80, 80)), (0, 0), 1.5)
        cv2.imwrite(f"images/{{label}}/{{i}}.png", np.clip(120 + 3 * grain, 0, 255).astype(np.uint8))
from pipelines.cli import run_command_line
for line in (
    "import images --kind folder --out work/i.parquet",
    "check work/i.parquet --page work/q.html --write-profile work/p.json",
    "check work/i.parquet --profile work/p.json",
    "dedupe work/i.parquet --symmetries --page work/d.html",
    "split work/i.parquet",
    "split work/i.parquet --audit",
    "audit work/i.parquet --page work/a.html",
    "export work/i.parquet work/c.json",
    "view work/i.parquet --page work/v.html",
    "revert work/i.parquet",
):
    code = run_command_line(["data", *line.split()])
    assert code == 0, (line, code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
