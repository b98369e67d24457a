"""What conversion did to decisions, image by image, over the whole frozen test set.

Covered: flips of the label, crossings of the accept/reject thresholds and the largest change of any probability, per
class with exact (Clopper-Pearson) intervals. Not covered: conversions that this machine could not run; their rows say
`pending`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from deploy.edge.decide import decide
from deploy.edge.spec import Decision
from inspection.errors import ParityError
from inspection.evaluation.answers import Answers
from inspection.evaluation.intervals import clopper_pearson
from inspection.records import Record

MAX_FLIPS_FP32 = 0
MAX_DELTA_FP32 = 1e-4
PENDING = ("onnxruntime fp16", "onnxruntime int8", "tensorrt fp16", "tensorrt int8")
NAMED_IMAGES = 3


@dataclass(frozen=True)
class ClassDelta:
    """One class: images recognised before and after, and flips of `support` with a 95 % exact interval."""

    label: str
    support: int
    hits_before: int
    hits_after: int
    flips: int
    flip_rate_low: float
    flip_rate_high: float


@dataclass(frozen=True)
class Measured:
    """One conversion, compared with the trained model on `images` images.

    `flips`: another label. `crossings`: another outcome (accept, reject, review) by the bundle's decision.
    `flip_rate_high`: with 95 % confidence not more flips than this share. `worst_image` has the largest change.
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


@dataclass(frozen=True)
class CertificateRow:
    """One precision on one runtime; `measured` is absent while the status is `pending`."""

    conversion: str
    status: Literal["passed", "pending"]
    max_flips: int | None
    max_delta: float | None
    measured: Measured | None


@dataclass(frozen=True)
class Certificate(Record):
    """Every conversion's effect on decisions, tied by hashes to the file, the images and the code."""

    model_sha256: str
    test_digest: str
    reference: str
    classes: tuple[str, ...]
    hashes: dict[str, Any]
    rows: tuple[CertificateRow, ...]

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
) -> Certificate:
    """The certificate of an FP32 export, or ParityError: no flip, no crossing, no probability off by more than 1e-4."""
    if not np.isfinite(converted.probabilities).all():
        raise ParityError(
            f"the ONNX graph answers NaN or infinity on some of {len(converted.image_ids)} test images; "
            "nothing was registered: change the student's architecture or the exporter's version"
        )
    measured = compare(reference, converted, classes, decision)
    _refuse(measured)
    fp32 = CertificateRow("onnxruntime fp32", "passed", MAX_FLIPS_FP32, MAX_DELTA_FP32, measured)
    return Certificate(
        model_sha256=model_sha256,
        test_digest=test_digest,
        reference="torch fp32",
        classes=tuple(classes),
        hashes=dict(hashes),
        rows=(fp32, *(CertificateRow(name, "pending", None, None, None) for name in PENDING)),
    )


def compare(
    reference: Answers, converted: Answers, classes: Sequence[str], decision: Decision
) -> Measured:
    """What changed from `reference` to `converted`, over the same images in the same order."""
    if reference.image_ids != converted.image_ids or not reference.image_ids:
        raise ValueError("a conversion is compared on the same images in the same order")
    delta = np.abs(
        reference.probabilities.astype(np.float64) - converted.probabilities.astype(np.float64)
    ).max(axis=1)
    before = reference.probabilities.argmax(axis=1)
    after = converted.probabilities.argmax(axis=1)
    flipped = before != after
    outcomes = [_outcomes(answers, classes, decision) for answers in (reference, converted)]
    return Measured(
        images=len(delta),
        flips=int(flipped.sum()),
        flip_rate_high=clopper_pearson(int(flipped.sum()), len(delta))[1],
        crossings=sum(ours != theirs for ours, theirs in zip(*outcomes, strict=True)),
        max_delta=float(delta.max()),
        mean_delta=float(delta.mean()),
        worst_image=reference.image_ids[int(delta.argmax())],
        flipped_images=tuple(reference.image_ids[i] for i in np.flatnonzero(flipped)),
        per_class=_per_class(reference.labels, before, after, classes),
    )


def _outcomes(answers: Answers, classes: Sequence[str], decision: Decision) -> list[str]:
    names = tuple(classes)
    return [decide(row, names, decision).outcome for row in answers.probabilities]


def _per_class(
    labels: Sequence[str],
    before: npt.NDArray[np.int64],
    after: npt.NDArray[np.int64],
    classes: Sequence[str],
) -> tuple[ClassDelta, ...]:
    true = np.array(labels)
    rows = []
    for i, label in enumerate(classes):
        mine = true == label
        flips, support = int((before != after)[mine].sum()), int(mine.sum())
        low, high = clopper_pearson(flips, support)
        hits = int((before[mine] == i).sum()), int((after[mine] == i).sum())
        rows.append(ClassDelta(label, support, *hits, flips, low, high))
    return tuple(rows)


def _refuse(measured: Measured) -> None:
    same = measured.flips <= MAX_FLIPS_FP32 and measured.crossings == 0
    if same and measured.max_delta <= MAX_DELTA_FP32:
        return
    named = ", ".join(image[:12] for image in measured.flipped_images[:NAMED_IMAGES])
    raise ParityError(
        f"the ONNX graph does not decide as the trained model: {measured.flips} flips"
        f"{f' ({named})' if named else ''} and {measured.crossings} threshold crossings in {measured.images} "
        f"test images (allowed 0), max |dp| {measured.max_delta:.2g} (allowed {MAX_DELTA_FP32:g}), "
        f"worst image {measured.worst_image[:12]}; nothing was registered: change the student's "
        "architecture or the exporter's version"
    )
