"""How long one image takes, side by side: everything after decoding, batch 1, warm, median of many.

Covered: contenders take turns within each round, so a busy moment or a slowing clock hits all alike. Not covered:
another machine, another load. Ratios carry over better than milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inspection.records import Record

Pixels = npt.NDArray[np.uint8]

WARM_UP = 10
MIN_ROUNDS = 20


@dataclass(frozen=True)
class Latency(Record):
    """One contender's times in milliseconds per image, and its size."""

    name: str
    runtime: str
    median_ms: float
    p95_ms: float
    repetitions: int
    threads: int
    parameters: int
    bytes: int


@dataclass(frozen=True)
class Contender:
    """Something that answers for one decoded image: uint8 (H, W, 3), preprocessing included."""

    run: Callable[[Pixels], Any]
    runtime: str
    threads: int
    parameters: int
    bytes: int


def measure(
    contenders: Mapping[str, Contender],
    images: Sequence[Pixels],
    *,
    repetitions: int = 200,
    max_seconds: float = 20.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Latency]:
    """Time each contender on the same image in each round, taking turns at going first.

    Stops early after `max_seconds` of measuring, but never below 20 rounds.
    """
    if not images or not contenders:
        raise ValueError("measuring needs at least one contender and one image")
    for contender in contenders.values():
        for i in range(WARM_UP):
            contender.run(images[i % len(images)])
    times: dict[str, list[float]] = {name: [] for name in contenders}
    started = clock()
    for turn in range(repetitions):
        if turn >= MIN_ROUNDS and clock() - started > max_seconds:
            break
        for name in _rotated(list(contenders), turn):
            begun = clock()
            contenders[name].run(images[turn % len(images)])
            times[name].append((clock() - begun) * 1000.0)
    return {name: _latency(name, contenders[name], times[name]) for name in contenders}


def _rotated(names: list[str], turn: int) -> list[str]:
    """Nobody always runs on the cache that the same rival left behind."""
    start = turn % len(names)
    return names[start:] + names[:start]


def _latency(name: str, contender: Contender, times: list[float]) -> Latency:
    return Latency(
        name=name,
        runtime=contender.runtime,
        median_ms=float(np.median(times)),
        p95_ms=float(np.percentile(times, 95)),
        repetitions=len(times),
        threads=contender.threads,
        parameters=contender.parameters,
        bytes=contender.bytes,
    )
