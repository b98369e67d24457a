"""Marked tiles and their index, which every test of `plumbline data export` begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.export_material import marked_tiles, split_index


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of tiles below the one in which the test runs."""
    monkeypatch.chdir(tmp_path)
    return marked_tiles(tmp_path / "data")


@pytest.fixture
def index(data: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Their index, beside `data`."""
    return split_index(data, capsys)
