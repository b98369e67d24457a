"""Turns, warm-up and the clock, watched with a clock of our own; then the real one once."""

from __future__ import annotations

import time

import numpy as np
import pytest

from inspection.evaluation.latency import MIN_ROUNDS, WARM_UP, Contender, Latency, measure

IMAGES = [np.full((8, 8, 3), value, dtype=np.uint8) for value in range(3)]


class Watch:
    """A clock that only moves when somebody works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[tuple[str, int]] = []

    def worker(self, name: str, seconds: float) -> Contender:
        def run(pixels: np.ndarray) -> None:
            self.calls.append((name, int(pixels[0, 0, 0])))
            self.now += seconds

        return Contender(run, runtime="watch", threads=1, parameters=7, bytes=9)

    def __call__(self) -> float:
        return self.now


def test_contenders_take_turns_on_the_same_image():
    watch = Watch()
    pair = {"a": watch.worker("a", 0.010), "b": watch.worker("b", 0.002)}
    result = measure(pair, IMAGES, repetitions=30, clock=watch)
    timed = watch.calls[2 * WARM_UP :]
    rounds = [timed[i : i + 2] for i in range(0, len(timed), 2)]
    assert len(rounds) == 30
    assert all({name for name, _ in turn} == {"a", "b"} for turn in rounds)
    assert all(turn[0][1] == turn[1][1] == i % 3 for i, turn in enumerate(rounds))
    assert {turn[0][0] for turn in rounds} == {"a", "b"}
    assert result["a"].median_ms == pytest.approx(10.0)
    assert result["b"].p95_ms == pytest.approx(2.0)
    assert (result["b"].repetitions, result["b"].parameters, result["b"].bytes) == (30, 7, 9)


def test_time_is_bounded_but_never_below_the_fewest_rounds():
    watch = Watch()
    slow = {"slow": watch.worker("slow", 5.0)}
    assert measure(slow, IMAGES, max_seconds=1.0, clock=watch)["slow"].repetitions == MIN_ROUNDS


def test_one_slow_outlier_does_not_move_the_median():
    watch = Watch()
    hiccup = iter([0.001] * 50 + [9.0] + [0.001] * 200)

    def run(pixels: np.ndarray) -> None:
        watch.now += next(hiccup)

    contender = Contender(run, "watch", 1, 0, 0)
    result = measure({"x": contender}, IMAGES, repetitions=100, max_seconds=99, clock=watch)
    assert result["x"].median_ms == pytest.approx(1.0)


def test_the_real_clock_sees_who_is_slower(tmp_path):
    def sleeper(seconds: float) -> Contender:
        return Contender(lambda _: time.sleep(seconds), "sleep", 1, 0, 0)

    result = measure({"slow": sleeper(0.004), "fast": sleeper(0.0)}, IMAGES, repetitions=25)
    assert result["slow"].median_ms >= 4.0 > result["fast"].median_ms
    result["slow"].save(tmp_path / "latency.json")
    assert Latency.load(tmp_path / "latency.json") == result["slow"]


def test_nothing_to_measure_is_a_fault():
    with pytest.raises(ValueError, match="at least one"):
        measure({}, IMAGES)
