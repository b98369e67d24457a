"""Which way of running is called the fastest, on times whose answer is known and on two real graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deploy.export.onnx_graph import export_onnx
from deploy.export.speed import MIN_ROUNDS, Way, best_ways, ratio, time_ways, ways_of
from tests.unit.colour_material import SIZE, ColourGraph

SLOW, FAST = Way("fp32", 1, False), Way("int8_cpu", 2, True)


def test_ways_are_one_thread_and_all_of_them() -> None:
    assert [w.words for w in ways_of(["fp32"], 4)] == [
        "1 thread",
        "4 threads",
        "4 threads, spinning",
    ]
    assert [w.words for w in ways_of(["fp32", "fp16"], 1)] == ["1 thread", "1 thread"]


def test_openvino_cannot_be_told_how_to_wait() -> None:
    assert ways_of(["fp32"], 4, "openvino") == (
        Way("fp32", 1, False, "openvino"),
        Way("fp32", 4, False, "openvino"),
    )


def test_the_best_way_is_that_of_one_runtime() -> None:
    other = Way("fp32", 1, False, "openvino")
    times = {Way("fp32", 1, False): np.full(30, 4.0), other: np.full(30, 1.0)}
    assert best_ways(times)["fp32"].median_ms == 4.0
    assert best_ways(times, "openvino")["fp32"].way == other


def test_a_ratio_is_taken_round_by_round() -> None:
    busy = np.linspace(1, 9, 101)  # the machine grows slower for both
    found = ratio(2 * busy, busy)
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))


def test_the_interval_of_a_ratio_is_that_of_a_median() -> None:
    # Order statistics 5 and 16 of 20 hold a median with 98.8 %, 6 and 15 with 95.9 % (Conover, table A3).
    quotients = np.arange(1.0, 21.0)
    found = ratio(quotients, np.ones(20))
    assert (found.low, found.high) == (6, 15)


def test_an_interval_covers_the_true_ratio_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(2000):
        found = ratio(1.3 * rng.lognormal(0, 0.3, 60), rng.lognormal(0, 0.3, 60))
        hits += found.low <= 1.3 <= found.high
    assert hits / 2000 >= 0.94


def test_the_best_way_has_the_smallest_median() -> None:
    slow, spinning = Way("fp32", 1, False), Way("fp32", 2, True)
    best = best_ways({slow: np.full(30, 4.0), spinning: np.full(30, 3.0), FAST: np.full(30, 9.0)})
    assert best["fp32"].way == spinning
    assert (best["fp32"].median_ms, best["int8_cpu"].p95_ms, best["fp32"].rounds) == (3.0, 9.0, 30)


def test_every_way_runs_in_every_round_and_time_is_kept(tmp_path: Path) -> None:
    file = export_onnx(ColourGraph(), SIZE, tmp_path / "graph.onnx")
    images = np.zeros((3, SIZE.height, SIZE.width, 3), np.uint8)
    ways = ways_of(["fp32", "other"], 2)
    seconds = iter(range(10**6))
    times = time_ways(
        {"fp32": file, "other": file},
        images,
        ways,
        max_seconds=1,
        clock=lambda: float(next(seconds)),
    )
    # Every reading of this clock is a second later: the time was over at once, the fewest rounds are run all the same.
    assert {len(found) for found in times.values()} == {MIN_ROUNDS}
    assert all((found == 1000.0).all() for found in times.values())
