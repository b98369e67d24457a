"""How fast each precision runs here at batch 1, by number of threads: all in turns, the best way of each.

Covered: contenders take turns within each round, so a busy moment hits all alike, and are compared round by round.
Not covered: another machine; a plan holds where it was measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from deploy.edge.engines.base import Engine, default_threads
from deploy.edge.engines.registry import open_engine

Pixels = npt.NDArray[np.uint8]
Times = npt.NDArray[np.float64]

MIN_ROUNDS = 20
MAX_ROUNDS = 200
RUNS = 3
"""Timed runs per turn; their median counts."""
ONNXRUNTIME = "onnxruntime"
SETTLE_SECONDS = 0.002
"""Threads of the runtime before may still be spinning."""


@dataclass(frozen=True)
class Way:
    """One precision in one runtime with its session options."""

    variant: str
    threads: int
    spinning: bool
    engine: str = ONNXRUNTIME

    @property
    def words(self) -> str:
        """Its options for people."""
        if self.threads == 1:
            return "1 thread"
        return f"{self.threads} threads{', spinning' if self.spinning else ''}"


@dataclass(frozen=True)
class Speed:
    """A way's milliseconds per image over `rounds` turns."""

    way: Way
    median_ms: float
    p95_ms: float
    rounds: int


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as another, the median of rounds with its exact 95 % interval."""

    value: float
    low: float
    high: float


def ways_of(
    variants: Sequence[str], cores: int | None = None, engine: str = ONNXRUNTIME
) -> tuple[Way, ...]:
    """Each precision with 1 thread, and with as many as this process may use, waiting asleep or spinning.

    Only ONNX Runtime lets itself be told how to wait.
    """
    most = default_threads() if cores is None else cores
    waits = (False, True) if engine == ONNXRUNTIME else (False,)
    options = [(1, False), *((most, spins) for spins in waits if most > 1)]
    return tuple(Way(name, *option, engine) for name in variants for option in options)


def time_ways(
    files: Mapping[str, Path],
    images: Pixels,
    ways: Sequence[Way],
    *,
    max_seconds: float = 60.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Way, Times]:
    """Milliseconds (rounds,) of each way on preprocessed `images` uint8 (N, H, W, 3), aligned by round.

    `files` are ONNX graphs by precision. At least 20 rounds, then until `max_seconds` have passed.
    """
    engines = {
        way: open_engine(way.engine, files[way.variant], threads=way.threads, spinning=way.spinning)
        for way in ways
    }
    started = clock()
    rounds: list[list[float]] = []
    while len(rounds) < MAX_ROUNDS:
        if len(rounds) >= MIN_ROUNDS and clock() - started > max_seconds:
            break
        image = images[len(rounds) % len(images)][None]
        rounds.append(_round(engines, ways, len(rounds), image, clock))
    table = np.array(rounds)
    return {way: table[:, k] for k, way in enumerate(ways)}


def best_ways(times: Mapping[Way, Times], engine: str = ONNXRUNTIME) -> dict[str, Speed]:
    """For each precision the way of `engine` with the smallest median."""
    best: dict[str, Speed] = {}
    for way, spent in times.items():
        if way.engine != engine:
            continue
        found = Speed(
            way, float(np.median(spent)), float(np.percentile(spent, 95)), rounds=len(spent)
        )
        if way.variant not in best or found.median_ms < best[way.variant].median_ms:
            best[way.variant] = found
    return best


def ratio(slow: Times, fast: Times) -> Ratio:
    """How many times as fast `fast` is, round by round; the interval is that of a median by order statistics."""
    quotients = np.sort(slow / fast)
    count = len(quotients)
    rank = int(binom.ppf(0.025, count, 0.5))
    return Ratio(
        float(np.median(quotients)),
        float(quotients[max(rank - 1, 0)]),
        float(quotients[min(count - rank, count - 1)]),
    )


def _round(
    engines: Mapping[Way, Engine],
    ways: Sequence[Way],
    turn: int,
    image: Pixels,
    clock: Callable[[], float],
) -> list[float]:
    """One turn for everybody, each time begun by another."""
    spent = dict.fromkeys(ways, 0.0)
    start = turn % len(ways)
    for way in (*ways[start:], *ways[:start]):
        engine = engines[way]
        time.sleep(SETTLE_SECONDS)
        engine.run(image)  # back into the caches
        runs = []
        for _ in range(RUNS):
            begun = clock()
            engine.run(image)
            runs.append((clock() - begun) * 1e3)
        spent[way] = float(np.median(runs))
    return [spent[way] for way in ways]
