"""What conversion did to decisions, image by image, over the whole frozen test set, and whether that is allowed.

Covered: flips of the label, crossings of the accept/reject thresholds, how far probabilities moved, recall by class
with exact (Clopper-Pearson) intervals, calibration error. Not covered: conversions that this machine could not run;
their rows say `pending` until a device measures them (`plumbline-edge certify`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from deploy.edge.parity import ClassCounts, Parity, parity
from deploy.edge.spec import FP32, Decision
from deploy.export.bars import MAX_DELTA_FP32, MAX_FLIPS_FP32, Bar, bar_of, faults_of
from inspection.errors import ParityError
from inspection.evaluation.answers import Answers
from inspection.evaluation.intervals import clopper_pearson
from inspection.records import Record

FP16 = "fp16"
INT8_CPU = "int8_cpu"
INT8_TENSORRT = "int8_tensorrt"
PENDING = (
    "onnxruntime fp16",
    "onnxruntime int8_cpu",
    "tensorrt fp32",
    "tensorrt fp16",
    "tensorrt int8_tensorrt",
)
"""Conversions of a bundle that was exported in FP32 alone."""
NAMED_IMAGES = 3
Status = Literal["passed", "refused", "pending"]


@dataclass(frozen=True)
class ClassDelta:
    """One class: images recognised before and after, and flips of `support` with a 95 % exact interval.

    `recall_delta` is what conversion added to recall, with an exact interval of at least 95 % (gained and lost images
    are each bounded at 97.5 %).
    """

    label: str
    support: int
    hits_before: int
    hits_after: int
    flips: int
    flip_rate_low: float
    flip_rate_high: float
    recall_delta: float = 0.0
    recall_delta_low: float = -1.0
    recall_delta_high: float = 1.0


@dataclass(frozen=True)
class Measured:
    """One conversion, compared with the trained model on `images` images.

    `flips`: another label; `flips_clear`: of the `clear` images whose two best probabilities lay more than 0.01 apart.
    `crossings`: another outcome (accept, reject, review) by the bundle's decision. `flip_rate_high`: with 95 %
    confidence not more flips than this share. `worst_image` has the largest change. `ece`: calibration error.
    """

    images: int
    flips: int
    flip_rate_high: float
    crossings: int
    max_delta: float
    mean_delta: float
    worst_image: str
    flipped_images: tuple[str, ...]
    per_class: tuple[ClassDelta, ...]
    clear: int = 0
    flips_clear: int = 0
    ece_before: float = 0.0
    ece_after: float = 0.0


@dataclass(frozen=True)
class CertificateRow:
    """One precision on one runtime; `measured` is absent while the status is `pending`.

    `reason` says why it was refused or is pending; `model_sha256` is the file that ran, `runtime` what ran it,
    `source` where the figures come from if this machine did not measure them.
    """

    conversion: str
    status: Status
    max_flips: int | None
    max_delta: float | None
    measured: Measured | None
    reason: str = ""
    model_sha256: str = ""
    runtime: dict[str, Any] | None = None
    source: str = ""


@dataclass(frozen=True)
class Certificate(Record):
    """Every conversion's effect on decisions, tied by hashes to the file, the images and the code.

    `trained` is false for a graph with random weights: its rows are measured, and held to no bar.
    """

    model_sha256: str
    test_digest: str
    reference: str
    classes: tuple[str, ...]
    hashes: dict[str, Any]
    rows: tuple[CertificateRow, ...]
    trained: bool = True

    def row(self, conversion: str) -> CertificateRow:
        """The row of one conversion, such as ``onnxruntime fp32``."""
        return next(row for row in self.rows if row.conversion == conversion)


def certify(
    reference: Answers,
    converted: Answers,
    *,
    classes: Sequence[str],
    decision: Decision,
    model_sha256: str,
    test_digest: str,
    hashes: Mapping[str, Any],
    others: Sequence[CertificateRow] | None = None,
) -> Certificate:
    """The certificate of an FP32 export, or ParityError: no flip, no crossing, no probability off by more than 1e-4.

    `others` are the rows of its other precisions; without them those are pending.
    """
    if not np.isfinite(converted.probabilities).all():
        raise ParityError(
            f"the ONNX graph answers NaN or infinity on some of {len(converted.image_ids)} test images; "
            "nothing was registered: change the student's architecture or the exporter's version"
        )
    measured = compare(reference, converted, classes, decision)
    _refuse(measured)
    fp32 = CertificateRow(
        "onnxruntime fp32",
        "passed",
        MAX_FLIPS_FP32,
        MAX_DELTA_FP32,
        measured,
        model_sha256=model_sha256,
    )
    return Certificate(
        model_sha256=model_sha256,
        test_digest=test_digest,
        reference="torch fp32",
        classes=tuple(classes),
        hashes=dict(hashes),
        rows=(fp32, *(others or map(pending_row, PENDING))),
    )


def pending_row(conversion: str, reason: str = "not measured on this machine") -> CertificateRow:
    """A row for a device to fill."""
    return CertificateRow(conversion, "pending", None, None, None, reason)


def judged_row(
    conversion: str,
    measured: Measured | None,
    bar: Bar | None,
    *,
    model_sha256: str,
    runtime: Mapping[str, Any],
) -> CertificateRow:
    """Held against its bar; `measured` is None for a graph that answered NaN or infinity, which no bar allows."""
    if measured is None:
        faults = ["it answers NaN or infinity on test images"]
    else:
        faults = faults_of(measured, bar) if bar else []
    return CertificateRow(
        conversion=conversion,
        status="refused" if faults else "passed",
        max_flips=bar.flips_allowed(measured.images) if bar and measured else None,
        max_delta=bar.max_delta if bar else None,
        measured=measured,
        reason="; ".join(faults),
        model_sha256=model_sha256,
        runtime=dict(runtime),
    )


def compare(
    reference: Answers, converted: Answers, classes: Sequence[str], decision: Decision
) -> Measured:
    """What changed from `reference` to `converted`, over the same images in the same order."""
    if reference.image_ids != converted.image_ids or not reference.image_ids:
        raise ValueError("a conversion is compared on the same images in the same order")
    counts = parity(
        reference.probabilities,
        converted.probabilities,
        labels=reference.labels,
        image_ids=reference.image_ids,
        classes=classes,
        decision=decision,
    )
    return with_intervals(counts)


def with_intervals(counts: Parity) -> Measured:
    """The same counts, and what they allow to be said of images not yet seen."""
    shared = {f.name for f in fields(Parity)} & {f.name for f in fields(Measured)} - {"per_class"}
    return Measured(
        **{name: getattr(counts, name) for name in shared},
        flip_rate_high=clopper_pearson(counts.flips, counts.images)[1],
        per_class=tuple(_class_delta(row) for row in counts.per_class),
    )


def _class_delta(row: ClassCounts) -> ClassDelta:
    low, high = clopper_pearson(row.flips, row.support)
    # Two one-sided bounds of 97.5 %: together they hold at least 95 times in 100, however the two depend on another.
    gained, lost = (clopper_pearson(n, row.support)[1] for n in (row.gained, row.lost))
    return ClassDelta(
        label=row.label,
        support=row.support,
        hits_before=row.hits_before,
        hits_after=row.hits_after,
        flips=row.flips,
        flip_rate_low=low,
        flip_rate_high=high,
        recall_delta=(row.gained - row.lost) / row.support if row.support else 0.0,
        recall_delta_low=-lost,
        recall_delta_high=gained,
    )


def _refuse(measured: Measured) -> None:
    if not faults_of(measured, bar_of(FP32)):
        return
    named = ", ".join(image[:12] for image in measured.flipped_images[:NAMED_IMAGES])
    raise ParityError(
        f"the ONNX graph does not decide as the trained model: {measured.flips} flips"
        f"{f' ({named})' if named else ''} and {measured.crossings} threshold crossings in {measured.images} "
        f"test images (allowed 0), max |dp| {measured.max_delta:.2g} (allowed {MAX_DELTA_FP32:g}), "
        f"worst image {measured.worst_image[:12]}; nothing was registered: change the student's "
        "architecture or the exporter's version"
    )
