"""What several files of unit tests ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.cli import run_command_line


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `plumbline data …` with --json: its document."""

    def run(*arguments: object, code: int = 0) -> dict[str, Any]:
        found = run_command_line(["data", *map(str, arguments), "--json"])
        out, err = capsys.readouterr()
        assert found == code, err + out
        document: dict[str, Any] = json.loads(out)
        return document

    return run


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `plumbline data …` for people: stdout and stderr."""

    def run(*arguments: object, code: int = 0) -> str:
        found = run_command_line(["data", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert found == code, err + out
        return out + err

    return run
