"""Decoded pixels in, a verdict out: the whole of what the device does to one image."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.edge.bundle import Bundle, open_bundle, self_test
from deploy.edge.decide import Verdict, decide
from deploy.edge.engines.base import Engine, Outputs
from deploy.edge.engines.registry import open_engine
from deploy.edge.engines.resolver import PassedOver, resolve
from deploy.edge.preprocess import preprocess
from deploy.edge.signing import Trust
from deploy.edge.spec import FP32
from deploy.edge.statistics import ImageStatistics, image_statistics


@dataclass(frozen=True)
class Timing:
    """Milliseconds per stage."""

    preprocess_ms: float
    engine_ms: float
    decide_ms: float
    statistics_ms: float


@dataclass(frozen=True)
class Inspection:
    """Everything known about one image; `latency_ms` is preprocessing + engine + decision (decoding excluded).

    `probabilities` float32 (C,), `embedding` float32 (D,).
    """

    verdict: Verdict
    probabilities: npt.NDArray[np.float32]
    embedding: npt.NDArray[np.float32]
    statistics: ImageStatistics
    latency_ms: float
    timing: Timing


@dataclass(frozen=True)
class Inspector:
    """A verified bundle in a running engine; `golden_gap` is the self-test's largest change of a probability.

    `variant` is the precision that runs, `passed_over` the faster runtimes that cannot, with the reason of each.
    """

    bundle: Bundle
    engine: Engine
    golden_gap: float
    variant: str = FP32
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def graph(self) -> Path:
        """The ONNX file that runs."""
        return self.bundle.graph(self.variant)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        engine: str = "onnxruntime",
        threads: int | None = None,
        variant: str | None = None,
        trust: Trust | None = None,
        require: str | None = None,
    ) -> Inspector:
        """Verify every hash, load the engine, repeat the golden images; raises before the first image, or never.

        `variant` and `threads` left open are those that the bundle's plan names for this engine. Engine `auto` is the
        fastest that runs here; `require` names the one that must. `trust` as for `open_bundle`: None leaves the
        bundle's origin to the caller.
        """
        bundle = open_bundle(folder, trust)
        start = partial(_start, bundle, threads=threads, variant=variant)
        resolved = resolve(engine, start, require)
        running, gap, chosen = resolved.opened
        return cls(bundle, running, gap, chosen, resolved.passed_over)

    def describe(self) -> dict[str, Any]:
        """The running engine's own description, and every runtime that was passed over; JSON-able."""
        passed = [dataclasses.asdict(passed) for passed in self.passed_over]
        return {**self.engine.describe(), "passed_over": passed}

    def inspect(self, pixels: npt.NDArray[np.uint8]) -> Inspection:
        """What the model makes of one decoded image, uint8 RGB (H, W, 3), and the statistics that a log keeps of it."""
        verdict, outputs, marks = self._answer(pixels)
        statistics = image_statistics(pixels)
        start, *_, decided = marks
        stages = [(end - begin) * 1e3 for begin, end in pairwise((*marks, time.perf_counter()))]
        return Inspection(
            verdict=verdict,
            probabilities=outputs.probabilities[0],
            embedding=outputs.embedding[0],
            statistics=statistics,
            latency_ms=(decided - start) * 1e3,
            timing=Timing(*stages),
        )

    def verdict(self, pixels: npt.NDArray[np.uint8]) -> Verdict:
        """The verdict alone, for a caller that keeps no log."""
        return self._answer(pixels)[0]

    def _answer(
        self, pixels: npt.NDArray[np.uint8]
    ) -> tuple[Verdict, Outputs, tuple[float, float, float, float]]:
        """Verdict, outputs, and the times before, after preprocessing, after the engine, after the decision."""
        manifest = self.bundle.manifest
        start = time.perf_counter()
        batch = preprocess(pixels, manifest.preprocessing)[None]
        prepared = time.perf_counter()
        outputs = self.engine.run(batch)
        answered = time.perf_counter()
        verdict = decide(outputs.probabilities[0], manifest.classes, manifest.decision)
        return verdict, outputs, (start, prepared, answered, time.perf_counter())


def _start(
    bundle: Bundle, engine: str, *, threads: int | None, variant: str | None
) -> tuple[Engine, float, str]:
    """The bundle in `engine`, its largest golden change of a probability, and its precision."""
    plan = bundle.manifest.plan(engine)
    chosen = variant or plan.variant
    running = open_engine(
        engine,
        bundle.graph(chosen),
        threads=threads if threads is not None else plan.threads,
        spinning=plan.spinning,
        prove=partial(self_test, bundle, variant=chosen),
    )
    return running, self_test(bundle, running, chosen), chosen
