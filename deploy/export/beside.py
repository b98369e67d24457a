"""What OpenVINO makes of the same files, where it is installed: judged and timed beside ONNX Runtime, in turns.

Covered: INT8 that pays on OpenVINO alone travels for it. Not covered: choosing the runtime; a device runs OpenVINO
where it is asked for by name.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.edge.engines.base import Engine
from deploy.edge.engines.registry import open_engine
from deploy.edge.spec import FP32, Plan
from deploy.export.candidates import Candidate
from deploy.export.certificate import INT8_CPU
from deploy.export.planned import Planned
from deploy.export.speed import Speed, Times, Way, best_ways, ratio, ways_of

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


def judged_beside(judge: Judge, found: Sequence[Candidate]) -> tuple[list[Candidate], str]:
    """`found` with the larger change of a probability of both runtimes, and why OpenVINO must not run INT8, if so.

    A golden image that one of the two answers differently by more than its tolerance would call the bundle tampered.
    """
    judged: list[Candidate] = []
    reason = ""
    for one in found:
        if one.name != INT8_CPU or one.file is None or one.faults or not is_here():
            judged.append(one)
            continue
        second = judge.judged(one, ENGINE)
        if second.faults:
            reason = "; ".join(second.faults)
            judged.append(one)
        else:
            judged.append(one.with_faults((), max(one.max_delta, second.max_delta)))
    return judged, reason


def ways_beside(variants: Collection[str], refused: str) -> tuple[Way, ...]:
    """OpenVINO's ways with those of `variants` that are meant for it, INT8 unless it was `refused`."""
    fit = [FP32] if refused else [name for name in (FP32, INT8_CPU) if name in variants]
    return ways_of(fit, engine=ENGINE) if is_here() else ()


def beside(times: Mapping[Way, Times], base: Speed, min_speedup: float, refused: str) -> Beside:
    """The plan for OpenVINO; INT8 must beat FP32 on ONNX Runtime, which is what would run otherwise."""
    best = best_ways(times, ENGINE)
    if FP32 not in best:
        return Beside()
    plain = Plan(FP32, best[FP32].way.threads)
    if refused:
        return Beside(plain, f"OpenVINO must not run it: {refused}")
    if INT8_CPU not in best:
        return Beside(plain)
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
