"""Which precision runs on this machine: the fastest whose decisions stay inside the bound, and why not the others.

Decisions are judged on validation images, so that the test set, which certifies afterwards, chose nothing. Speed is
measured, never assumed: INT8 is slower than FP32 for many small networks.
Covered: ONNX Runtime on this CPU, and OpenVINO where it is installed. Not covered: TensorRT's speed; its files are
made and certified as far as this machine can, and the device measures the rest.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from deploy.edge.files import sha256_file
from deploy.edge.spec import FP32, Plan
from deploy.export.beside import ENGINE as OPENVINO
from deploy.export.beside import Beside, Fit, beside, judged_beside
from deploy.export.candidates import Candidate, Sources
from deploy.export.certificate import FP16, INT8_CPU, INT8_TENSORRT
from deploy.export.golden import TOLERANCE
from deploy.export.judge import Judge, Subject, ask
from deploy.export.planned import Planned, Precision, Timed
from deploy.export.precision.calibration import (
    Calibration,
    calibration_images,
    check_calibration,
)
from deploy.export.speed import Ratio, Speed, Times, Way, best_ways, ratio, time_ways, ways_of
from inspection.config import ExportConfig
from inspection.data.index import ImageIndex

HERE = (FP16, INT8_CPU)
"""Precisions that ONNX Runtime's CPU kernels are meant for; the other INT8 dialect is TensorRT's."""
TIMED_IMAGES = 16
HEADROOM = 3.0
"""Golden tolerance over what was seen on validation images: another CPU rounds INT8 otherwise."""
MAX_TOLERANCE = 0.5


def plan_precision(
    subject: Subject,
    index: ImageIndex,
    config: ExportConfig,
    *,
    folder: Path,
    max_megapixels: float = 100.0,
    trained: bool = True,
) -> Planned:
    """Make every precision in `folder`, judge it on `index`'s validation images, time it, choose.

    Random weights (`trained` false) are held to no bar.
    """
    sizes = subject.preprocessing
    calibration = calibration_images(
        index, sizes, count=config.calibration_images, max_megapixels=max_megapixels
    )
    check_calibration(calibration, index, max_megapixels=max_megapixels)
    val = index.split("val")
    reference = ask(subject.fp32, val, sizes, max_megapixels)
    judge = Judge(subject, val, reference, config, max_megapixels, trained)
    sources = Sources(subject.fp32, calibration, folder)
    found = [judge.examine(name, sources) for name in config.precisions]
    found, fit = judged_beside(judge, found)
    fine = {one.name: one.file for one in found if one.file and not one.faults}
    files = {FP32: subject.fp32, **{name: fine[name] for name in HERE if name in fine}}
    times = time_ways(
        files,
        calibration.images[:TIMED_IMAGES],
        (*ways_of(list(files)), *ways_of(fit.variants, engine=OPENVINO)),
        max_seconds=config.max_seconds,
    )
    return _choose(subject, found, times, config, calibration, fit)


def _choose(
    subject: Subject,
    found: list[Candidate],
    times: Mapping[Way, Times],
    config: ExportConfig,
    calibration: Calibration,
    fit: Fit,
) -> Planned:
    best = best_ways(times)
    base = best[FP32]
    second = beside(times, base, config.min_speedup, fit)
    gains = {
        name: ratio(times[base.way], times[one.way]) for name, one in best.items() if name != FP32
    }
    quick = [n for n, gain in gains.items() if gain.value >= config.min_speedup and gain.low > 1]
    winner = min(quick, key=lambda name: best[name].median_ms, default=FP32)
    race = _Race(base, winner, config.min_speedup, second)
    precisions = tuple(race.entry(one, best.get(one.name), gains.get(one.name)) for one in found)
    way = best[winner].way
    plans = {"onnxruntime": Plan(winner, way.threads, way.spinning)}
    half = next((one for one in precisions if one.name == FP16), None)
    if half is not None and half.fate != "refused":
        plans["tensorrt"] = Plan(FP16)
    if second.plan is not None:
        plans[OPENVINO] = second.plan
    return Planned(
        fp32=subject.fp32,
        precisions=precisions,
        plans=plans,
        calibration={
            "digest": calibration.digest,
            "count": len(calibration.image_ids),
            "classes": dict(calibration.counts),
        },
        machine=_machine(),
        sentence=_sentence(winner, best, gains.get(winner)),
        margins={"max_loss": config.max_loss, "max_class_loss": config.max_class_loss},
        fallback=Plan(FP32, base.way.threads, base.way.spinning),
        timed=_timed(times, base),
    )


def _timed(times: Mapping[Way, Times], base: Speed) -> tuple[Timed, ...]:
    found = []
    for engine in dict.fromkeys(way.engine for way in times):
        for name, one in best_ways(times, engine).items():
            gain = Ratio(1, 1, 1) if one.way == base.way else ratio(times[base.way], times[one.way])
            speed = (one.way.words, one.median_ms, one.p95_ms, one.rounds)
            found.append(Timed(engine, name, *speed, gain.value, gain.low, gain.high))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Race:
    """What every candidate is held against: FP32 as the `base`, the winner, the gain asked for, OpenVINO beside it."""

    base: Speed
    winner: str
    min_speedup: float
    second: Beside

    def entry(self, one: Candidate, speed: Speed | None, gain: Ratio | None) -> Precision:
        """The plan's line about `one`."""
        fate, sentence = self._fate(one, speed, gain)
        tolerance = min(MAX_TOLERANCE, max(TOLERANCE, HEADROOM * one.max_delta))
        return Precision(
            name=one.name,
            file=one.file,
            sha256=sha256_file(one.file) if one.file else "",
            fate=fate,
            sentence=sentence,
            golden_tolerance=round(tolerance, 6),
            median_ms=speed.median_ms if speed else None,
            p95_ms=speed.p95_ms if speed else None,
            times_fp32=gain.value if gain else None,
            way=speed.way.words if speed else "",
            made=one.made,
        )

    def _fate(self, one: Candidate, speed: Speed | None, gain: Ratio | None) -> tuple[Any, str]:
        if one.faults:
            return "refused", f"{one.name} refused: {'; '.join(one.faults)}"
        if speed is None or gain is None:
            tensorrt = "TensorRT's, which is not on this machine"
            why = tensorrt if one.name == INT8_TENSORRT else "untimed"
            return "pending", f"{one.name} pending: its decisions hold here, its speed is {why}"
        against = f"({speed.median_ms:.2f} against {self.base.median_ms:.2f} ms)"
        times = f"{gain.value:.2f}x the speed of fp32 here {against}"
        end = self.second.of(one.name)
        if one.name == self.winner:
            return "chosen", f"{one.name} chosen: {times}, with {speed.way.words}{end}"
        # FP16 is TensorRT's usual precision: it travels, whatever this CPU makes of it.
        fate = "kept" if one.name == FP16 or self.second.carries(one.name) else "refused"
        verb = "not chosen" if fate == "kept" else "refused"
        if gain.value >= self.min_speedup and gain.low > 1:
            return fate, f"{one.name} {verb}: {times}, {self.winner} is faster{end}"
        asked = f"asked for {self.min_speedup:.2f}x, interval {gain.low:.2f} to {gain.high:.2f}"
        return fate, f"{one.name} {verb}: {times}; {asked}{end}"


def _sentence(winner: str, best: Mapping[str, Speed], gain: Ratio | None) -> str:
    speed = best[winner]
    faster = f", {gain.value:.2f}x as fast as fp32" if gain else ""
    return f"{winner} with {speed.way.words}: {speed.median_ms:.2f} ms per image{faster}"


def _machine() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "onnxruntime": onnxruntime.__version__,
    }
