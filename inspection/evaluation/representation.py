"""What features are worth before anything is trained on them: nearest neighbours, a linear probe, and the gain of one
set of features over another, with a paired interval.

Sources: Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination (2018), the k-NN protocol;
Davison and Hinkley, Bootstrap Methods (1997), resampling of clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from inspection.errors import DataError
from inspection.evaluation.intervals import CONFIDENCE
from inspection.records import Record

Matrix = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]

NEIGHBOURS = 5
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Inverse strengths (scikit-learn's C) that the probe may choose from on validation rows."""
RESAMPLES = 2000
STEPS = 1000
AT_ONCE = 2048
"""Rows whose neighbours are looked for together."""


@dataclass(frozen=True, eq=False)
class Split:
    """Features (N, D), class numbers (N,) and group names (N,) of the images of one split, row by row."""

    features: Matrix
    labels: Labels
    groups: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.features) == len(self.labels) == len(self.groups):
            sizes = f"{len(self.features)}, {len(self.labels)} and {len(self.groups)}"
            raise ValueError(f"features, labels and groups must have as many rows, got {sizes}")


@dataclass(frozen=True)
class Difference(Record):
    """A share before and after, and their paired difference with its 95 % interval."""

    before: float
    after: float
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Judgement(Record):
    """One way of reading features, on the same test images before and after."""

    accuracy: Difference
    balanced_accuracy: Difference
    """All classes count the same."""
    mended: int
    """Test images wrong before and right after; `broken` the other way round."""
    broken: int


@dataclass(frozen=True)
class SelfSupervisionGain(Record):
    """What tuning gave, read by nearest neighbours and by a linear probe; intervals over groups of test images."""

    knn: Judgement
    probe: Judgement
    neighbours: int
    penalty_before: float
    """The probe's C, chosen on validation rows for each set of features by itself; so is `penalty_after`."""
    penalty_after: float
    train_images: int
    test_images: int
    test_groups: int

    @property
    def sentence(self) -> str:
        """Both gains in one line, in points."""
        ways = (("nearest neighbours", self.knn), ("linear probe", self.probe))
        told = [
            f"{name} {100 * found.gain:+.1f} points [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
            for name, found in ((name, way.balanced_accuracy) for name, way in ways)
        ]
        return f"{', '.join(told)} of balanced accuracy on {self.test_images} test images"


def representation_gain(
    before: tuple[Split, Split, Split], after: tuple[Split, Split, Split], *, seed: int
) -> SelfSupervisionGain:
    """Train, validation and test rows with features from before and after; the same images in the same order."""
    _check_paired(before, after)
    train, _, test = before
    neighbours = [
        knn_predictions(s[0].features, s[0].labels, s[2].features) for s in (before, after)
    ]
    probes = [probe_predictions(*splits) for splits in (before, after)]
    return SelfSupervisionGain(
        knn=judged(test.labels, *neighbours, groups=test.groups, seed=seed),
        probe=judged(test.labels, probes[0].said, probes[1].said, groups=test.groups, seed=seed),
        neighbours=min(NEIGHBOURS, len(train.labels)),
        penalty_before=probes[0].penalty,
        penalty_after=probes[1].penalty,
        train_images=len(train.labels),
        test_images=len(test.labels),
        test_groups=len(set(test.groups)),
    )


def knn_predictions(
    train: Matrix, labels: Labels, asked: Matrix, *, neighbours: int = NEIGHBOURS
) -> Labels:
    """Classes (M,) of rows `asked` (M, D): the nearest training rows vote, with their cosine as weight.

    Columns are standardised by the training rows first: pooled maxima and means have different scales.
    """
    if len(train) == 0:
        raise DataError("nearest neighbours need training images with labels: there are none")
    scale = _Standard.of(train)
    known, count = _unit(scale(train)), int(labels.max()) + 1
    said: Labels = np.empty(len(asked), dtype=np.int64)
    kept = min(neighbours, len(train))
    for first in range(0, len(asked), AT_ONCE):
        cosines = _unit(scale(asked[first : first + AT_ONCE])) @ known.T
        nearest = np.argpartition(-cosines, kept - 1, axis=1)[:, :kept]
        votes = np.zeros((len(cosines), count))
        weights = 1.0 + np.take_along_axis(cosines, nearest, axis=1)  # 0..2: never a vote against
        np.add.at(votes, (np.arange(len(cosines))[:, None], labels[nearest]), weights)
        said[first : first + AT_ONCE] = votes.argmax(axis=1)
    return said


@dataclass(frozen=True, eq=False)
class Probe:
    """What the probe says of the test rows (M,), and the penalty it was fitted with."""

    said: Labels
    penalty: float


def probe_predictions(train: Split, val: Split, test: Split) -> Probe:
    """A multinomial logistic regression on frozen features; its penalty chosen on `val`, if that has rows."""
    if len(np.unique(train.labels)) < 2:
        raise DataError(
            "a linear probe needs training images of two classes: add images of another"
        )
    scale = _Standard.of(train.features)
    # Rotating onto the training rows' own span changes no L2-penalised fit, and makes wide features fast.
    rows = scale(train.features)
    basis = np.linalg.svd(rows, full_matrices=False)[2].T if rows.shape[1] > len(rows) else None
    turned = [
        each if basis is None else each @ basis
        for each in (rows, scale(val.features), scale(test.features))
    ]
    size = np.sqrt(np.square(turned[0]).sum(axis=1).mean()) or 1.0
    fitted, seen, asked = (each / size for each in turned)
    best: tuple[float, float, LogisticRegression] | None = None
    for penalty in PENALTIES if len(seen) else (1.0,):
        model = LogisticRegression(C=penalty * len(fitted), max_iter=STEPS).fit(
            fitted, train.labels
        )
        right = _balanced(model.predict(seen), val.labels) if len(seen) else 0.0
        if best is None or right > best[0]:  # a tie goes to the stronger penalty
            best = (right, penalty, model)
    assert best is not None  # PENALTIES is not empty
    said: Labels = best[2].predict(asked).astype(np.int64)
    return Probe(said, best[1])


def _balanced(said: Labels, labels: Labels) -> float:
    """Mean recall: by plain accuracy, a rare defect's probe would choose to name the common class only."""
    return float(np.mean([(said[labels == each] == each).mean() for each in np.unique(labels)]))


def judged(
    labels: Labels, before: Labels, after: Labels, *, groups: Sequence[str], seed: int
) -> Judgement:
    """Two sets of answers (N,) to the same images: shares, their difference, its interval by resampling groups."""
    if len(labels) == 0:
        raise DataError("the test split holds no images: there is nothing to judge features on")
    right = np.stack([before == labels, after == labels]).astype(np.float64)
    draws = _group_draws(groups, seed)
    classes = np.searchsorted(np.unique(labels), labels)
    return Judgement(
        accuracy=_difference(right, np.zeros_like(labels), draws),
        balanced_accuracy=_difference(right, classes, draws),
        mended=int(((before != labels) & (after == labels)).sum()),
        broken=int(((before == labels) & (after != labels)).sum()),
    )


def _group_draws(groups: Sequence[str], seed: int) -> npt.NDArray[np.float64]:
    """How often each image (columns) is in each resample of whole groups (rows); the first row is the sample itself."""
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    return np.concatenate([np.ones((1, len(place))), drawn[:, place]])


def _difference(
    right: npt.NDArray[np.float64], classes: Labels, draws: npt.NDArray[np.float64]
) -> Difference:
    """Mean over classes of the share of right answers; a class that a resample misses does not count in it."""
    shares = np.zeros((2, len(draws)))
    present = np.zeros(len(draws))
    for each in np.unique(classes):
        weights = draws * (classes == each)
        total = weights.sum(axis=1)
        here = total > 0
        shares[:, here] += (right @ weights.T)[:, here] / total[here]
        present += here
    shares /= present
    gains = shares[1] - shares[0]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(gains[1:], [tail, 1 - tail])
    return Difference(
        before=float(shares[0, 0]),
        after=float(shares[1, 0]),
        gain=float(gains[0]),
        low=float(low),
        high=float(high),
    )


@dataclass(frozen=True, eq=False)
class _Standard:
    """Takes training rows' mean out and brings each column to unit spread; constant columns become 0."""

    mean: Matrix
    factor: Matrix

    @classmethod
    def of(cls, rows: Matrix) -> _Standard:
        spread = rows.std(axis=0, dtype=np.float64)
        varies = spread > 1e-8 * np.abs(rows).max(initial=1e-12)
        return cls(
            rows.mean(axis=0, dtype=np.float64),
            np.where(varies, 1 / np.where(varies, spread, 1), 0),
        )

    def __call__(self, rows: Matrix) -> Matrix:
        return (rows - self.mean) * self.factor


def _unit(rows: Matrix) -> Matrix:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12))


def _check_paired(before: Sequence[Split], after: Sequence[Split]) -> None:
    for old, new in zip(before, after, strict=True):
        if old.groups != new.groups or not np.array_equal(old.labels, new.labels):
            raise ValueError(
                "before and after must be features of the same images in the same order"
            )
