"""The import rule holds, and each contract catches the violation it exists for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ["pipelines", "steps", "materializers", "deploy", "data_checks", "inspection"]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_contracts__hold(root: Path) -> None:
    result = lint_imports(root)
    assert result.returncode == 0, result.stdout
    assert " 0 broken" in result.stdout


VIOLATIONS = [
    ("deploy/edge/decide.py", "import torch", "The edge carries nothing heavy"),
    ("deploy/edge/decide.py", "def f():\n    import pandas", "The edge carries nothing heavy"),
    ("deploy/edge/decide.py", "import inspection.config", "Code depends downwards only"),
    ("deploy/__init__.py", "import deploy.edge.spec", "Package doors are empty"),
    ("inspection/data/__init__.py", "import torch", "Package doors are empty"),
    ("inspection/data/splits.py", "import torch", "The workshop's torch stays in its four rooms"),
    ("inspection/data/splits.py", "import inspection.evaluation.gate", "Inside the workshop"),
    ("inspection/attic.py", "x = 1", "Inside the workshop"),
    ("inspection/training/data.py", "import zenml", "Only the glue knows ZenML"),
    ("data_checks/leaks.py", "import inspection.features.extract", "Data checks run without torch"),
    ("deploy/registry/tracking.py", "import torch", "The registry runs without torch"),
    ("deploy/export/certificate.py", "import data_checks.leaks", "Code depends downwards only"),
    ("steps/train_teacher.py", "import steps.split_data", "Steps are strangers to each other"),
    ("steps/train_teacher.py", "import numpy", "Glue holds no work"),
    ("materializers/image_index.py", "import steps.split_data", "Only pipelines call steps"),
]


@pytest.mark.parametrize(("file", "line", "contract"), VIOLATIONS)
def test_contracts__catch_planted_violation(
    root: Path, tmp_path: Path, file: str, line: str, contract: str
) -> None:
    for package in PACKAGES:
        shutil.copytree(
            root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(root / "pyproject.toml", tmp_path)
    target = tmp_path / file
    target.write_text((target.read_text() if target.exists() else "") + f"\n{line}\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    broken = [row for row in result.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), broken
