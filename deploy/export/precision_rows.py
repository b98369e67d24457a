"""The certificate's rows of the precisions beside FP32, and what of the plan is left when the test set has spoken."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.edge.engines.base import Engine
from deploy.edge.files import canonical_json
from deploy.edge.spec import FP32, Plan
from deploy.export.bars import bar_of
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
        row = _row(one, planned, answers, engines[one.name], spec, trained=trained)
        rows.append(row)
        if row.status == "passed":
            passed[one.name] = (one.file, one.golden_tolerance)
    there = [FP32, *passed]
    rows += [
        pending_row(f"tensorrt {name}", "no TensorRT on this machine: plumbline-edge certify")
        for name in ON_DEVICE
        if name in there
    ]
    plans = {
        engine: plan if plan.variant in there else _instead(engine, planned)
        for engine, plan in planned.plans.items()
    }
    return Verdict(tuple(rows), passed, plans, canonical_json(planned.document()))


def _row(
    one: Precision,
    planned: Planned,
    answers: Mapping[str, Answers],
    engine: Engine,
    spec: BundleSpec,
    *,
    trained: bool,
) -> CertificateRow:
    found = answers[one.name]
    finite = bool(np.isfinite(found.probabilities).all())
    measured = compare(answers["torch"], found, spec.classes, spec.decision) if finite else None
    bar = bar_of(one.name, **planned.margins) if trained else None
    runtime = {**engine.describe(), "calibration": planned.calibration["digest"]}
    return judged_row(
        f"onnxruntime {one.name}", measured, bar, model_sha256=one.sha256, runtime=runtime
    )


def _left_behind(one: Precision) -> CertificateRow:
    """Refused before the test set was asked: on validation images, by its speed, or it could not be made."""
    return CertificateRow(
        f"onnxruntime {one.name}", "refused", None, None, None, one.sentence, one.sha256
    )


def _instead(engine: str, planned: Planned) -> Plan:
    return planned.fallback if engine == "onnxruntime" else Plan(FP32)
