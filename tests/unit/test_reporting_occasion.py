"""When and where a page is written: as stated, or left open for a stack's own clock."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from inspection.reporting.occasion import OPEN, Occasion

NOON = datetime(2026, 6, 1, 12, 0, 5, tzinfo=UTC)


def test_what_is_stated__stands() -> None:
    found = Occasion.of("2026-06-01T12:00:05+00:00", "runs/line-1", now=lambda: datetime.max)
    assert found == Occasion(NOON, Path("runs/line-1"))


def test_left_open__each_run_has_a_moment_and_a_folder_of_its_own() -> None:
    found = Occasion.of(OPEN, "runs/scheduled-watch", now=lambda: NOON)
    assert found == Occasion(NOON, Path("runs/scheduled-watch-20260601-120005"))
