"""What a run and an export say of their gate: in the record, which others read, and in a line for people."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from inspection.store import Store
from pipelines.commands.gated import noted, registered
from pipelines.launcher.launch import flight
from pipelines.launcher.run_records import all_runs

MADE = {"model": "line", "version": 3, "aliases": ["challenger", "champion"]}


@pytest.mark.parametrize(
    ("passed", "status", "sentence", "line"),
    [
        (True, "completed", "", "line version 3 (challenger, champion)"),
        (False, "refused", "one class was lost", "nothing: the gate refused"),
    ],
)
def test_a_gate_that_says_no__is_the_runs_end_and_its_line(
    tmp_path: Path, passed: bool, status: str, sentence: str, line: str
) -> None:
    store = Store(tmp_path / "store")
    made: dict[str, Any] = {**MADE, "gate": {"passed": passed, "sentence": "one class was lost"}}
    with flight("train", "line", store, lambda: datetime(2026, 6, 1, tzinfo=UTC)) as trip:
        assert noted(trip, made) == made
    (record,) = all_runs(store)
    assert (record.status, record.sentence, record.made) == (status, sentence, made)
    assert registered(made) == line
