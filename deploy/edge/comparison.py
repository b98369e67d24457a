"""Every precision of a bundle on every runtime of this machine, timed in turns: what to run here, and what it costs.

Covered: contenders take turns and begin in turn, so a busy moment hits all alike; cold start and memory are those of a
process of their own. Not covered: several at once; each is timed as if it were alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.edge.cold_start import measure_cold_start
from deploy.edge.engines.registry import ENGINES
from deploy.edge.errors import PlumblineError, UserError
from deploy.edge.inspector import Inspector
from deploy.edge.preprocess import preprocess
from deploy.edge.signing import Trust
from deploy.edge.spec import FP32, Manifest

Pixels = npt.NDArray[np.uint8]
WARM_UP = 5
BATCH_SECONDS = 0.3
"""For each batch size of each contender."""


@dataclass(frozen=True)
class Contender:
    """One precision on one runtime; `reason` says why it could not run, and is empty where it did.

    Times are milliseconds per image at batch 1, preprocessing and decision included; `images_per_second` is the
    runtime's own, by batch size.
    """

    engine: str
    variant: str
    bytes: int
    reason: str = ""
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    images_per_second: Mapping[str, float] = field(default_factory=dict)
    cold_start_ms: float = 0.0
    memory_mb: float = 0.0
    runtime: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Runtime and precision."""
        return f"{self.engine} {self.variant}"


def pairs_of(manifest: Manifest, engines: Sequence[str] = tuple(ENGINES)) -> list[tuple[str, str]]:
    """Every runtime with every precision of the bundle; INT8 of one dialect is no contender on the other's runtime."""
    names = [FP32, *manifest.variants]
    dialect = {"int8_tensorrt": ("tensorrt",), "int8_cpu": ("onnxruntime", "openvino")}
    return [
        (engine, name)
        for engine in engines
        for name in names
        if engine in dialect.get(name, (engine,))
    ]


def compare(
    folder: Path,
    pairs: Sequence[tuple[str, str]],
    images: Sequence[Pixels],
    *,
    repetitions: int = 200,
    batches: Sequence[int] = (1, 8),
    trust: Trust | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Contender]:
    """All `pairs` of runtime and precision over decoded `images`; one that cannot run here keeps its reason."""
    if repetitions < 1 or not images or not batches or min(batches) < 1:
        raise UserError("a comparison needs an image, a repetition and batches of 1 or more")
    opened: dict[tuple[str, str], Inspector] = {}
    reasons: dict[tuple[str, str], str] = {}
    for engine, variant in pairs:
        try:
            opened[engine, variant] = Inspector.open(
                folder, engine=engine, variant=variant, trust=trust
            )
        except PlumblineError as error:
            reasons[engine, variant] = str(error)
    times = _in_turns(opened, images, repetitions)
    found = []
    for pair in pairs:
        if pair in opened:
            found.append(_contender(pair, opened[pair], times[pair], images, batches, clock))
        else:
            found.append(Contender(*pair, bytes=0, reason=reasons[pair]))
    return found


def _in_turns(
    opened: Mapping[tuple[str, str], Inspector], images: Sequence[Pixels], repetitions: int
) -> dict[tuple[str, str], list[float]]:
    times: dict[tuple[str, str], list[float]] = {pair: [] for pair in opened}
    order = list(opened)
    for turn in range(-WARM_UP, repetitions):
        start = turn % len(order) if order else 0
        for pair in (*order[start:], *order[:start]):
            found = opened[pair].inspect(images[turn % len(images)])
            if turn >= 0:
                times[pair].append(found.latency_ms)
    return times


def _contender(
    pair: tuple[str, str],
    inspector: Inspector,
    times: Sequence[float],
    images: Sequence[Pixels],
    batches: Sequence[int],
    clock: Callable[[], float],
) -> Contender:
    folder = inspector.bundle.folder
    cold = measure_cold_start(folder, *pair)
    middle, high, highest = np.percentile(times, [50, 95, 99])
    return Contender(
        *pair,
        bytes=inspector.graph.stat().st_size,
        p50_ms=round(float(middle), 4),
        p95_ms=round(float(high), 4),
        p99_ms=round(float(highest), 4),
        images_per_second={
            str(size): round(_throughput(inspector, images, size, clock), 1) for size in batches
        },
        cold_start_ms=cold.ms,
        memory_mb=cold.memory_mb,
        runtime=inspector.describe(),
    )


def _throughput(
    inspector: Inspector, images: Sequence[Pixels], size: int, clock: Callable[[], float]
) -> float:
    spec = inspector.bundle.manifest.preprocessing
    batch = np.stack([preprocess(images[i % len(images)], spec) for i in range(size)])
    inspector.engine.run(batch)
    began, runs = clock(), 0
    while runs == 0 or clock() - began < BATCH_SECONDS:
        inspector.engine.run(batch)
        runs += 1
    return size * runs / (clock() - began)
