"""The log under real kills, a real full disk and real rivals: what was logged stays readable."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.edge.decide import Verdict
from deploy.edge.errors import UserError
from deploy.edge.inspector import Inspection, Timing
from deploy.edge.prediction_log import PredictionLog, read_predictions, segments
from deploy.edge.statistics import STATISTICS, ImageStatistics

NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)
KEYS = {
    "time", "image_id", "path", "model", "label", "confidence", "outcome", "probabilities",
    "embedding", "latency_ms", *STATISTICS,
}  # fmt: skip
INSPECTION = Inspection(
    verdict=Verdict("ok", 0.9, "accept", 0.1),
    probabilities=np.array([0.1, 0.9], np.float32),
    embedding=np.array([1 / 3, 2.0, -3e-9], np.float32),
    statistics=ImageStatistics(100.5, 20.25, 1234.5),
    latency_ms=1.23456,
    timing=Timing(0.1, 1.0, 0.1, 0.2),
)


def log_of(folder: Path, **options: Any) -> PredictionLog:
    return PredictionLog(folder, now=lambda: NOON, **options)


def test_append__writes_the_whole_record(tmp_path: Path) -> None:
    with log_of(tmp_path) as log:
        record = log.append(INSPECTION, image_id="ab" * 32, path="a/b.png", model="cd" * 32)
    (read,) = read_predictions(tmp_path)
    assert read == record
    assert read.keys() == KEYS
    assert datetime.fromisoformat(read["time"]) == NOON.replace(microsecond=123000)
    assert np.array_equal(np.array(read["embedding"], np.float32), INSPECTION.embedding)
    assert np.array_equal(np.array(read["probabilities"], np.float32), INSPECTION.probabilities)
    assert (read["label"], read["outcome"], read["latency_ms"]) == ("ok", "accept", 1.235)


def test_origin__stands_in_every_record(tmp_path: Path) -> None:
    with log_of(tmp_path, origin={"line": "3", "camera": "left"}) as log:
        for _ in range(2):
            log.append(INSPECTION, image_id="ab" * 32, path="a/b.png", model="cd" * 32)

    records = list(read_predictions(tmp_path))

    assert [(record["line"], record["camera"]) for record in records] == [("3", "left")] * 2
    assert "session" not in records[0]


def test_nan__is_refused_before_it_is_written(tmp_path: Path) -> None:
    with log_of(tmp_path) as log:
        log.write({"n": 1})
        with pytest.raises(ValueError, match="JSON"):
            log.write({"n": float("nan")})
    assert [record["n"] for record in read_predictions(tmp_path)] == [1]


def test_rotation__keeps_order_and_size(tmp_path: Path) -> None:
    with log_of(tmp_path, max_bytes=100) as log:
        for n in range(100):
            log.write({"n": n})
    assert len(segments(tmp_path)) == 10  # {"n": 12} and a newline are 10 bytes
    assert all(path.stat().st_size <= 100 for path in segments(tmp_path))
    assert [record["n"] for record in read_predictions(tmp_path)] == list(range(100))


def test_line_longer_than_a_segment__gets_one_of_its_own(tmp_path: Path) -> None:
    with log_of(tmp_path, max_bytes=10) as log:
        for n in (1, 2):
            log.write({"n": n, "text": "x" * 50})
    assert len(segments(tmp_path)) == 2


def test_segments__sort_by_number_beyond_the_padding(tmp_path: Path) -> None:
    for number in (999_999, 1_000_000, 2):
        (tmp_path / f"predictions-{number:06d}.jsonl").write_text(f'{{"n": {number}}}\n')
    assert [record["n"] for record in read_predictions(tmp_path)] == [2, 999_999, 1_000_000]
    with log_of(tmp_path, max_bytes=10) as log:
        log.write({"n": 0})
    assert segments(tmp_path)[-1].name == "predictions-1000001.jsonl"


def test_second_run__goes_on_in_the_last_segment(tmp_path: Path) -> None:
    for n in range(3):
        with log_of(tmp_path) as log:
            log.write({"n": n})
    assert len(segments(tmp_path)) == 1
    assert [record["n"] for record in read_predictions(tmp_path)] == [0, 1, 2]


def test_write_after_close__opens_again(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    log.write({"n": 0})
    log.close()
    log.close()
    log.write({"n": 1})
    log.close()
    assert [record["n"] for record in read_predictions(tmp_path)] == [0, 1]


@pytest.mark.parametrize("cut", range(1, 10))
def test_torn_last_line__is_passed_over_and_never_written_to(tmp_path: Path, cut: int) -> None:
    whole = b'{"n": 0}\n{"n": 1}\n'
    (tmp_path / "predictions-000001.jsonl").write_bytes(whole[:-cut])
    expected = [0] if cut > 1 else [0, 1]  # without its newline alone the record is still whole
    assert [record["n"] for record in read_predictions(tmp_path)] == expected
    with log_of(tmp_path) as log:
        log.write({"n": 2})
    assert [record["n"] for record in read_predictions(tmp_path)] == [*expected, 2]
    assert (tmp_path / "predictions-000001.jsonl").read_bytes().startswith(whole[:-cut])


@pytest.mark.parametrize(
    "damaged", [b'{"n": 0}\n{"n": \n{"n": 2}\n', b"\xff\n", b"text\n", b"\0\0\n"]
)
def test_damage_elsewhere__is_reported_with_its_line(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "predictions-000001.jsonl").write_bytes(damaged)
    with pytest.raises(UserError, match=r"line \d of .*predictions-000001.jsonl"):
        list(read_predictions(tmp_path))


def test_line_that_is_no_record__is_damage(tmp_path: Path) -> None:
    (tmp_path / "predictions-000001.jsonl").write_bytes(b"[1]\n")
    with pytest.raises(UserError, match="damaged"):
        list(read_predictions(tmp_path))


def test_two_writers__get_segments_of_their_own(tmp_path: Path) -> None:
    with log_of(tmp_path) as one, log_of(tmp_path) as other:
        for n in range(10):
            one.write({"who": "one", "n": n})
            other.write({"who": "other", "n": n})
    assert len(segments(tmp_path)) == 2
    records = list(read_predictions(tmp_path))
    for who in ("one", "other"):
        assert [record["n"] for record in records if record["who"] == who] == list(range(10))


def test_faster_rival__costs_a_number_and_nothing_else(tmp_path: Path) -> None:
    """The rival's segment appears between the look at the folder and the creation of ours."""
    log = log_of(tmp_path)
    taken = tmp_path / "predictions-000007.jsonl"
    taken.write_bytes(b'{"n": 0}\n')
    assert not log._create(taken)
    log.write({"n": 1})
    log.close()
    assert [record["n"] for record in read_predictions(tmp_path)] == [0, 1]


def test_no_log__says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="predict --log"):
        list(read_predictions(tmp_path / "absent"))
    assert list(read_predictions(tmp_path)) == []


def test_place_that_cannot_be_written__is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="cannot write the prediction log"):
            PredictionLog(folder)
    with pytest.raises(UserError, match="1 byte or more"):
        PredictionLog(tmp_path, max_bytes=0)


WRITERS = """
import os, random, signal, sys, time
from pathlib import Path
from deploy.edge.prediction_log import PredictionLog

def write_for_ever(start):
    # Some lines are longer than a page, for a page is what a kill can tear.
    log = PredictionLog(Path(sys.argv[1]), max_bytes=1_000_000)
    for n in range(start, start + 10_000_000):
        log.write({"n": n, "pad": "x" * (n % 7 * 3000)})
        os.write(1, f"{n}\\n".encode())

chance = random.Random(0)
for kill in range(20):
    child = os.fork()
    if not child:
        write_for_ever(kill * 10_000_000)
    time.sleep(chance.uniform(0.01, 0.05))
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
"""


def test_killed_twenty_times__every_complete_line_is_readable(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITERS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    confirmed = {int(line) for line in done.stdout.splitlines()}
    for path in segments(tmp_path):  # by plain json, not by our reader
        for line in path.read_bytes().split(b"\n")[:-1]:
            json.loads(line)
    numbers = [record["n"] for record in read_predictions(tmp_path)]
    assert confirmed <= set(numbers)
    assert len(confirmed) > 100
    for kill in range(20):
        first = kill * 10_000_000
        run = [n for n in numbers if n // 10_000_000 == kill]
        assert run == list(range(first, first + len(run)))  # nothing lost between, nothing twice
    assert len(segments(tmp_path)) > 1


FULL_DISK = """
import resource, sys
from pathlib import Path
from deploy.edge.errors import UserError
from deploy.edge.prediction_log import PredictionLog

def room(size):  # as a full disk: a write is cut short, the next one fails
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

room(1000)
log = PredictionLog(Path(sys.argv[1]))
written = 0
try:
    while True:
        log.write({"n": written, "pad": "x" * 70})
        written += 1
except UserError as error:
    print(written, error)
try:
    log.write({"n": -1, "pad": "x" * 70})
except UserError:
    print("still full")
room(2000)
log.write({"n": -2})
log.close()
"""


def test_full_disk__leaves_no_part_of_a_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    written, _, message = first.partition(" ")
    assert "free the disk" in message
    assert second == "still full"
    (segment,) = segments(tmp_path)
    assert segment.read_bytes().endswith(b"\n")
    numbers = [record["n"] for record in read_predictions(tmp_path)]
    assert numbers == [*range(int(written)), -2]
    assert int(written) > 5
