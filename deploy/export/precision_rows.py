"""The certificate's rows of the precisions beside FP32, and what of the plan is left when the test set has spoken."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.edge.engines.base import Engine
from deploy.edge.files import canonical_json, sha256_file
from deploy.edge.spec import FP32, Plan
from deploy.export.bars import bar_of
from deploy.export.beside import ENGINE as OPENVINO
from deploy.export.bundle_writer import BundleParts, BundleSpec
from deploy.export.certificate import (
    FP16,
    INT8_TENSORRT,
    CertificateRow,
    compare,
    judged_row,
    pending_row,
)
from deploy.export.planned import Planned, Precision
from deploy.export.speed import ONNXRUNTIME
from inspection.evaluation.answers import Answers

ON_DEVICE = (FP32, FP16, INT8_TENSORRT)
"""What TensorRT can run."""
PLAN = "plan.json"


@dataclass(frozen=True)
class Verdict:
    """`rows` of the certificate, `precisions` that passed (file and golden tolerance), `plans` by engine."""

    rows: tuple[CertificateRow, ...]
    precisions: Mapping[str, tuple[Path, float]]
    plans: Mapping[str, Plan]
    document: bytes

    @property
    def proven(self) -> tuple[str, ...]:
        """Keys of the engines whose decisions held: golden images are such that all of them agree."""
        return (*self.precisions, *(row.conversion for row in self.rows if row.status == "passed"))

    def completed(self, parts: BundleParts) -> BundleParts:
        """The bundle's parts with what passed."""
        return dataclasses.replace(
            parts,
            precisions=self.precisions,
            plans=self.plans,
            documents={PLAN: self.document},
        )


def judge_precisions(
    planned: Planned,
    answers: Mapping[str, Answers],
    engines: Mapping[str, Engine],
    spec: BundleSpec,
    *,
    trained: bool = True,
) -> Verdict:
    """Hold each travelling precision's answers on the test set against `answers["torch"]`.

    Random weights (`trained` false) are measured and held to no bar.
    """
    rows: list[CertificateRow] = []
    passed: dict[str, tuple[Path, float]] = {}
    for one in planned.precisions:
        if one.name not in engines or one.file is None:
            rows.append(_left_behind(one))
            continue
        row = _row(one.name, one.sha256, planned, answers, engines, spec, trained=trained)
        rows.append(row)
        if row.status == "passed":
            passed[one.name] = (one.file, one.golden_tolerance)
    there = [FP32, *passed]
    rows += _beside(planned, answers, engines, spec, there, trained=trained)
    rows += [
        pending_row(f"tensorrt {name}", "no TensorRT on this machine: plumbline-edge certify")
        for name in ON_DEVICE
        if name in there
    ]
    tested = as_certified(planned, rows)
    return Verdict(tuple(rows), passed, tested.plans, canonical_json(tested.document()))


def as_certified(planned: Planned, rows: Sequence[CertificateRow]) -> Planned:
    """The plan as the test set left it: what it refused has that fate, and FP32 runs in its place."""
    refused = {row.conversion: row.reason for row in rows if row.status == "refused"}
    precisions = tuple(_tested(one, refused) for one in planned.precisions)
    there = {FP32, *(one.name for one in precisions if one.fate != "refused")}
    plans = {
        engine: plan if plan.variant in there else _instead(engine, planned)
        for engine, plan in planned.plans.items()
        if f"{engine} {plan.variant}" not in refused or engine == ONNXRUNTIME
    }
    chosen = planned.plans[ONNXRUNTIME].variant
    said = planned.sentence
    if chosen not in there:
        said = f"{FP32} runs: the test set refused {chosen}, which is faster"
    return dataclasses.replace(planned, precisions=precisions, plans=plans, sentence=said)


def _tested(one: Precision, refused: Mapping[str, str]) -> Precision:
    reason = refused.get(f"{ONNXRUNTIME} {one.name}")
    if reason is None or one.fate == "refused":
        return one
    said = f"{one.name} refused by the test set: {reason}; before that: {one.sentence}"
    return dataclasses.replace(one, fate="refused", sentence=said)


def _beside(
    planned: Planned,
    answers: Mapping[str, Answers],
    engines: Mapping[str, Engine],
    spec: BundleSpec,
    there: Sequence[str],
    *,
    trained: bool,
) -> list[CertificateRow]:
    """OpenVINO with what passed on ONNX Runtime."""
    sums = {FP32: sha256_file(planned.fp32), **{p.name: p.sha256 for p in planned.precisions}}
    keys = {name: f"{OPENVINO} {name}" for name in there if f"{OPENVINO} {name}" in engines}
    return [
        _row(name, sums[name], planned, answers, engines, spec, trained=trained, key=key)
        for name, key in keys.items()
    ]


def _row(
    name: str,
    sha256: str,
    planned: Planned,
    answers: Mapping[str, Answers],
    engines: Mapping[str, Engine],
    spec: BundleSpec,
    *,
    trained: bool,
    key: str = "",
) -> CertificateRow:
    """Of the precision `name`; `key` of its answers where they are not ONNX Runtime's."""
    found, engine = answers[key or name], engines[key or name]
    finite = bool(np.isfinite(found.probabilities).all())
    measured = compare(answers["torch"], found, spec.classes, spec.decision) if finite else None
    bar = bar_of(name, **planned.margins) if trained else None
    runtime = {**engine.describe(), "calibration": planned.calibration["digest"]}
    conversion = key or f"{ONNXRUNTIME} {name}"
    return judged_row(conversion, measured, bar, model_sha256=sha256, runtime=runtime)


def _left_behind(one: Precision) -> CertificateRow:
    """Refused before the test set was asked: on validation images, by its speed, or it could not be made."""
    return CertificateRow(
        f"{ONNXRUNTIME} {one.name}", "refused", None, None, None, one.sentence, one.sha256
    )


def _instead(engine: str, planned: Planned) -> Plan:
    return planned.fallback if engine == ONNXRUNTIME else Plan(FP32)
