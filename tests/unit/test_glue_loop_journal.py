"""The loop's journal: what was written is read back, what a kill tore is not, what was edited is named."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inspection.errors import DataError
from inspection.evaluation.loop import Event, LabelsCounted, ModelInService, TrainingEnded
from pipelines.loop.journal import read_events, write_event

START = datetime(2026, 3, 1, 6, tzinfo=UTC)
EVENTS: list[Event] = [
    LabelsCounted(START, 100),
    TrainingEnded(START + timedelta(hours=1), 160, None, "", "recall of 'crack' fell."),
    ModelInService(START + timedelta(hours=2), "ab" * 32, 7),
]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "loop" / "line.jsonl"
    for event in EVENTS:
        write_event(path, event)
    return path


def test_what_was_written_is_read_back(journal: Path) -> None:
    assert read_events(journal) == EVENTS
    assert read_events(journal.with_name("other.jsonl")) == []


def test_every_torn_end_loses_its_line_alone_and_is_written_over(journal: Path) -> None:
    data = journal.read_bytes()
    last = data.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(last, len(data) - 1, 7):
        journal.write_bytes(data[:end])
        assert read_events(journal) == EVENTS[:-1]
    write_event(journal, EVENTS[-1])
    assert journal.read_bytes() == data


def test_an_edited_line_is_named(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes().replace(b'"kind":"training"', b'"kind":"tr"'))
    with pytest.raises(DataError, match=r"line\.jsonl: line 2 is no event of the loop"):
        read_events(journal)


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from inspection.evaluation.loop import LabelsCounted
from pipelines.loop.journal import write_event
for n in range(50):
    write_event(Path(sys.argv[1]), LabelsCounted(datetime(2026, 3, 1, tzinfo=UTC), int(sys.argv[2]) + n))
"""


@pytest.mark.process
def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "line.jsonl"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(first)])
        for first in (0, 100)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    counts = [event.images for event in read_events(path) if isinstance(event, LabelsCounted)]
    assert sorted(counts) == [*range(50), *range(100, 150)]
    assert [n for n in counts if n < 100] == [*range(50)]
