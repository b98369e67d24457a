"""How long the device takes for one image, stage by stage: warm, batch 1, decoding excluded."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.edge.errors import UserError
from deploy.edge.inspector import Inspector

WARM_UP = 10


@dataclass(frozen=True)
class Spread:
    """Milliseconds."""

    median_ms: float
    p95_ms: float
    min_ms: float


@dataclass(frozen=True)
class Benchmark:
    """`stages` in the order they run; `latency` is preprocess + engine + decide of the same image."""

    latency: Spread
    stages: Mapping[str, Spread]
    repetitions: int
    images: int
    engine: Mapping[str, Any]
    model: str
    variant: str
    model_bytes: int
    machine: Mapping[str, Any]

    @property
    def images_per_second(self) -> float:
        """What one inspector manages, decoding excluded."""
        return 1e3 / self.latency.median_ms


def bench(
    inspector: Inspector, images: Sequence[npt.NDArray[np.uint8]], *, repetitions: int = 200
) -> Benchmark:
    """Time `repetitions` inspections, going round decoded `images` (uint8 RGB) after a warm-up that is not counted."""
    if repetitions < 1 or not images:
        raise UserError(
            f"bench needs 1 repetition and 1 image or more, got {repetitions} and {len(images)}"
        )
    for i in range(WARM_UP):
        inspector.inspect(images[i % len(images)])
    runs = [inspector.inspect(images[i % len(images)]) for i in range(repetitions)]
    stages = ("preprocess", "engine", "decide", "statistics")
    return Benchmark(
        latency=_spread([run.latency_ms for run in runs]),
        stages={
            stage: _spread([getattr(run.timing, f"{stage}_ms") for run in runs]) for stage in stages
        },
        repetitions=repetitions,
        images=len(images),
        engine=inspector.describe(),
        model=inspector.bundle.digest,
        variant=inspector.variant,
        model_bytes=inspector.graph.stat().st_size,
        machine=_machine(),
    )


def _spread(milliseconds: Sequence[float]) -> Spread:
    median, high, low = np.quantile(milliseconds, [0.5, 0.95, 0.0])
    return Spread(round(float(median), 4), round(float(high), 4), round(float(low), 4))


def _machine() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }
