"""The fuzzer of the parsers: it finds what is planted, says how to see it again, and nothing in a short run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inspection.config import DataConfig
from inspection.data.readers.base import RawItem
from inspection.data.readers.registry import READERS
from inspection.errors import DataError
from tests.fuzz import fuzz_parsers
from tests.fuzz.fuzz_parsers import Result, fuzz
from tests.fuzz.targets import TARGETS, Finding, check_lines, lines_of

pytestmark = pytest.mark.thorough

TABLE = "train.csv"
Plant = Callable[[bytes], object]


def test_targets__cover_the_registry() -> None:
    assert set(READERS) <= {name.removesuffix("_csv") for name in TARGETS}


@pytest.mark.fuzz
@pytest.mark.process
@pytest.mark.parametrize("parser", TARGETS)
def test_short_run__finds_nothing(parser: str, tmp_path: Path) -> None:
    found = fuzz(parser, 2.0, 0, tmp_path, most=150)
    assert not found.found
    assert 0 < found.iterations <= 150


@pytest.mark.parametrize("parser", TARGETS)
def test_clean_files__are_read(parser: str, tmp_path: Path) -> None:
    target = TARGETS[parser]
    target.build(tmp_path)
    for pattern in target.spoil[:1]:
        path = next(tmp_path.glob(pattern))
        target.read(tmp_path, path.relative_to(tmp_path).as_posix())


def raises(data: bytes) -> None:
    if b"nan" in data.lower():
        raise ValueError("could not convert")


def says_two_lines(data: bytes) -> None:
    if b"," not in data:
        raise DataError("first\nsecond: mend it")


def says_a_book(data: bytes) -> None:
    if len(data) > 5000:
        raise DataError(f"no such column: {data.decode('latin-1').replace(chr(10), ' ')}")


def sleeps(data: bytes) -> None:
    if b"\0" in data:
        time.sleep(5)


def works_on(data: bytes) -> None:
    started = time.process_time()
    while b"\0" in data and time.process_time() - started < 0.5:
        pass


def hoards(data: bytes) -> None:
    if b"\0" in data:
        bytearray(b"x") * (fuzz_parsers._peak() - fuzz_parsers._resident() + 2**26)


PLANTS: list[tuple[Plant, str]] = [
    (raises, "ValueError: could not convert"),
    (says_two_lines, "a message is not one line of text"),
    (says_a_book, "a message of "),
    (sleeps, "no answer after"),
    (works_on, "the limit is 0.3"),
    (hoards, "GiB, the limit is"),
]


@pytest.mark.parametrize(("plant", "words"), PLANTS, ids=[case[0].__name__ for case in PLANTS])
def test_planted_fault__is_found(
    plant: Plant, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(root: Path, config: DataConfig) -> list[RawItem]:
        plant((root / TABLE).read_bytes() if (root / TABLE).is_file() else b",")
        return READERS["folder"](root, config)

    monkeypatch.setattr("inspection.data.ingest.READERS", {"severstal": read})
    # Beside large tests, taking memory takes time as well: only the fault that is about time has little of it.
    monkeypatch.setattr(fuzz_parsers, "MAX_SECONDS", 0.3 if plant is works_on else 30.0)
    monkeypatch.setattr(fuzz_parsers, "MAX_WAIT", 1.0 if plant is sleeps else 60.0)
    monkeypatch.setattr(fuzz_parsers, "MAX_BYTES", 2**24)
    found = fuzz("severstal", 60.0, 0, tmp_path / "first")
    assert words in found.found
    assert TABLE in found.found
    assert (Path(found.saved) / TABLE).exists()
    again = fuzz("severstal", 60.0, 0, tmp_path / "again", first=found.iterations, most=1)
    assert words in again.found


def test_inputs__follow_from_the_seed(tmp_path: Path) -> None:
    def inputs(folder: str, seed: int) -> list[bytes]:
        fuzzing = fuzz_parsers.Fuzz(TARGETS["profile"], tmp_path / folder, seed)
        found = []
        for iteration in range(20):
            name = fuzzing.input(iteration)
            path = fuzzing.root / name
            found.append(path.read_bytes() if path.is_file() else b"")
            fuzzing.restore(name)
        return found

    assert inputs("a", 1) == inputs("b", 1) != inputs("c", 2)


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[2J", "a\u2028b", "half \ud800", "x" * 9999])
def test_messages__that_break_a_line(text: str) -> None:
    with pytest.raises(Finding):
        check_lines(lines_of(DataError(text)), "a message")


def test_messages__that_list_faults_may_have_a_line_each() -> None:
    assert len(lines_of(DataError("they do not fit (2):\n  one\n  two"))) == 3
    assert len(lines_of(DataError("they do not fit (3):\n  one\n  two"))) == 1


def test_process__that_dies_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "coco.at").write_text("41")
    found = fuzz_parsers._died("coco", tmp_path, "the process ended with -11")
    assert found == Result(
        "coco", 41, 0, 0.0, "iteration 41: the process ended with -11", str(tmp_path / "coco")
    )


@pytest.mark.process
def test_command__prints_a_table(root: Path) -> None:
    command = [sys.executable, "tests/fuzz/fuzz_parsers.py", "--seconds", "1", "--parser", "edits"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[1].split()[0] == "edits"
