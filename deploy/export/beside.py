"""What OpenVINO makes of the same files, where it is installed: judged and timed beside ONNX Runtime, in turns.

Covered: INT8 that pays on OpenVINO alone travels for it. Not covered: choosing the runtime; a device runs OpenVINO
where it is asked for by name.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.edge.engines.base import Engine
from deploy.edge.engines.registry import open_engine
from deploy.edge.errors import PlumblineError
from deploy.edge.spec import FP32, Plan
from deploy.export.candidates import Candidate
from deploy.export.certificate import INT8_CPU
from deploy.export.planned import Planned
from deploy.export.speed import Speed, Times, Way, best_ways, ratio

if TYPE_CHECKING:
    from deploy.export.judge import Judge

ENGINE = "openvino"


@dataclass(frozen=True)
class Beside:
    """`plan`: how OpenVINO is to run the graph, None where it is not installed; `words` what INT8 gains by it."""

    plan: Plan | None = None
    words: str = ""

    def carries(self, variant: str) -> bool:
        """Whether this precision pays on OpenVINO, whatever ONNX Runtime makes of it."""
        return self.plan is not None and self.plan.variant == variant != FP32

    def of(self, variant: str) -> str:
        """The end of a precision's sentence."""
        return f"; {self.words}" if self.words and variant == INT8_CPU else ""


def is_here() -> bool:
    """Whether the extra is installed; found out without loading it."""
    return importlib.util.find_spec(ENGINE) is not None


@dataclass(frozen=True)
class Fit:
    """The precisions that OpenVINO may run, and why one is missing; both empty where it is not installed."""

    variants: tuple[str, ...] = ()
    reason: str = ""


def judged_beside(judge: Judge, found: Sequence[Candidate]) -> tuple[list[Candidate], Fit]:
    """`found` with the larger change of a probability of both runtimes, and what OpenVINO may run.

    A golden image that one of the two answers differently by more than its tolerance would call the bundle tampered.
    A graph that OpenVINO does not take is no fault of the graph.
    """
    if not is_here():
        return list(found), Fit()
    try:
        open_engine(ENGINE, judge.subject.fp32)
    except PlumblineError as error:
        return list(found), Fit(reason=str(error))
    judged, fit, reason = list(found), [FP32], ""
    for k, one in enumerate(judged):
        if one.name == INT8_CPU and one.file is not None and not one.faults:
            second = _second(judge, one)
            if second.faults:
                reason = "; ".join(second.faults)
                continue
            fit.append(one.name)
            judged[k] = one.with_faults((), max(one.max_delta, second.max_delta))
    return judged, Fit(tuple(fit), reason)


def _second(judge: Judge, one: Candidate) -> Candidate:
    try:
        return judge.judged(one, ENGINE)
    except PlumblineError as error:
        return one.with_faults((str(error),), one.max_delta)


def beside(times: Mapping[Way, Times], base: Speed, min_speedup: float, fit: Fit) -> Beside:
    """The plan for OpenVINO; INT8 must beat FP32 on ONNX Runtime, which is what would run otherwise."""
    best = best_ways(times, ENGINE)
    refused = f"OpenVINO does not run it: {fit.reason}" if fit.reason else ""
    if FP32 not in best:
        return Beside(None, refused)
    plain = Plan(FP32, best[FP32].way.threads)
    if INT8_CPU not in best:
        return Beside(plain, refused)
    speed = best[INT8_CPU]
    gain = ratio(times[base.way], times[speed.way])
    words = f"OpenVINO runs it at {gain.value:.2f}x ({speed.median_ms:.2f} ms, {speed.way.words})"
    if gain.value >= min_speedup and gain.low > 1:
        return Beside(Plan(INT8_CPU, speed.way.threads), f"{words}: --engine openvino")
    return Beside(plain, words)


def engines_beside(planned: Planned, files: Mapping[str, Path]) -> dict[str, Engine]:
    """OpenVINO with each of its files that travels, for the test set to judge; named as the certificate's rows."""
    plan = planned.plans.get(ENGINE)
    if plan is None:
        return {}
    names = [name for name in dict.fromkeys((FP32, plan.variant)) if name in files]
    return {
        f"{ENGINE} {name}": open_engine(ENGINE, files[name], threads=plan.threads) for name in names
    }
