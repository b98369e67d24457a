"""What a model is worth on one frozen test set, with intervals, and enough to look again at every image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inspection.errors import DataError
from inspection.evaluation.calibration import (
    ReliabilityBin,
    expected_calibration_error,
    negative_log_likelihood,
    reliability,
)
from inspection.evaluation.intervals import Proportion
from inspection.records import Record

Floats = npt.NDArray[np.floating[Any]]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassScore:
    """One class: recall over its images, precision over what was called so, F1 of the two."""

    label: str
    support: int
    predicted: int
    precision: Proportion
    recall: Proportion
    f1: float


@dataclass(frozen=True)
class Evaluation(Record):
    """A model's answers on one frozen test set and what follows from them.

    `confusion[i][j]`: images of class i called class j, in the order of `classes`. Means over classes (`macro_f1`,
    `balanced_accuracy`) run over the classes that have test images. `image_ids`, `labels`, `predictions` and
    `probabilities` are aligned.
    """

    name: str
    classes: tuple[str, ...]
    count: int
    accuracy: Proportion
    macro_f1: float
    balanced_accuracy: float
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    ece: float
    nll: float
    calibration: tuple[ReliabilityBin, ...]
    image_ids: tuple[str, ...]
    labels: tuple[str, ...]
    predictions: tuple[str, ...]
    probabilities: tuple[tuple[float, ...], ...]
    test_digest: str

    @property
    def summary(self) -> dict[str, float]:
        """The figures that go into a tracking store, flat."""
        return {
            "accuracy": self.accuracy.value,
            "accuracy_low": self.accuracy.low,
            "accuracy_high": self.accuracy.high,
            "macro_f1": self.macro_f1,
            "balanced_accuracy": self.balanced_accuracy,
            "ece": self.ece,
            "nll": self.nll,
        }

    @property
    def wrong(self) -> tuple[int, ...]:
        """Positions of the images that were called something else."""
        pairs = zip(self.labels, self.predictions, strict=True)
        return tuple(i for i, (label, called) in enumerate(pairs) if label != called)


def evaluate(
    name: str,
    labels: Sequence[str],
    probabilities: Floats,
    classes: Sequence[str],
    *,
    image_ids: Sequence[str],
    test_digest: str,
) -> Evaluation:
    """Score `probabilities` (N, C), columns in the order of `classes`, against `labels` (N names)."""
    scores = np.asarray(probabilities, dtype=np.float64)
    _check(name, labels, scores, classes, image_ids)
    position = {label: i for i, label in enumerate(classes)}
    true = np.array([position[label] for label in labels], dtype=np.int64)
    called = scores.argmax(axis=1)
    confusion = confusion_matrix(true, called, len(classes))
    per_class = tuple(_class_score(label, i, confusion) for i, label in enumerate(classes))
    present = [score for score in per_class if score.support]
    return Evaluation(
        name=name,
        classes=tuple(classes),
        count=len(true),
        accuracy=Proportion.of(int((true == called).sum()), len(true)),
        macro_f1=sum(score.f1 for score in present) / len(present),
        balanced_accuracy=sum(score.recall.value for score in present) / len(present),
        per_class=per_class,
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
        ece=expected_calibration_error(scores, true),
        nll=negative_log_likelihood(scores, true),
        calibration=reliability(scores, true),
        image_ids=tuple(image_ids),
        labels=tuple(labels),
        predictions=tuple(classes[i] for i in called.tolist()),
        probabilities=tuple(map(tuple, scores.tolist())),
        test_digest=test_digest,
    )


def confusion_matrix(
    true: npt.NDArray[np.integer[Any]], called: npt.NDArray[np.integer[Any]], classes: int
) -> Counts:
    """Counts (C, C): row = what it is, column = what it was called."""
    flat = np.bincount(true * classes + called, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def _class_score(label: str, i: int, confusion: Counts) -> ClassScore:
    hits = int(confusion[i, i])
    support = int(confusion[i].sum())
    predicted = int(confusion[:, i].sum())
    f1 = 2 * hits / (support + predicted) if support + predicted else 0.0
    precision, recall = Proportion.of(hits, predicted), Proportion.of(hits, support)
    return ClassScore(label, support, predicted, precision, recall, f1)


def _check(
    name: str,
    labels: Sequence[str],
    scores: npt.NDArray[np.float64],
    classes: Sequence[str],
    image_ids: Sequence[str],
) -> None:
    if len(labels) == 0:
        raise DataError(f"{name}: the test set is empty; lower split.test's demands or add images")
    if scores.shape != (len(labels), len(classes)) or len(image_ids) != len(labels):
        raise DataError(
            f"{name}: {len(labels)} labels, {len(image_ids)} image ids and probabilities "
            f"{scores.shape} do not fit {len(classes)} classes; evaluate one test set at a time"
        )
    if unknown := sorted(set(labels) - set(classes)):
        raise DataError(f"{name}: the model does not know {unknown}; train with these classes")
    off = np.abs(scores.sum(axis=1) - 1.0)
    # Written so that NaN fails too.
    if not (scores.min() >= 0.0 and off.max() <= 1e-3):
        raise DataError(f"{name}: rows of probabilities must be finite, >= 0 and sum to 1")
