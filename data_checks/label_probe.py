"""What models that never saw an image's label say its class is: linear probes and nearest neighbours on embeddings.

Covered: every probability comes from folds in which neither the image, nor its copies, nor its group was learned from;
the same images and seed give the same figures for the same order of rows. The preparation (scaling, principal axes)
sees all images and no label. Not covered: classes with fewer than `FEWEST_GROUPS` independent groups; do not ask.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils.extmath import randomized_svd

FOLDS = 10
FEWEST_GROUPS = 5
"""Independent groups that a class needs before its labels can be judged."""
AXES = 512
"""Principal axes kept of an embedding."""
FAR = 8.0
"""Standard deviations beyond which a feature is cut: one dead unit that fires once is no axis."""
PENALTY = 10.0
"""`C` of the probe times the images it learns from, on axes of unit variance; three times more changes little."""
NEIGHBOURS = (5, 30)
"""Fewest and most that vote; between them half the root of the number of images."""
SLIPS = 3.0
"""Wrong labels that are believed in before any is seen: a few slips explain a set better than a timid truth."""
SHARPNESS = 5.0
"""How much faster than their cosine the votes of neighbours fade."""
MOST_NOISE = 0.4
"""Share of wrong labels that is believed at most."""
CHUNK = 1024
TINY = 1e-9

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]
Folds = list[tuple[Ints, Ints]]


def grouped_folds(labels: Ints, groups: Ints, *, seed: int) -> Folds:
    """(learn from, judge) positions; whole groups, classes in their shares; fewer folds for few groups."""
    fewest = min(len(np.unique(groups[labels == number])) for number in np.unique(labels))
    splitter = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
    return [(np.asarray(a), np.asarray(b)) for a, b in splitter.split(labels, labels, groups)]


def axes_of(matrix: Floats, *, seed: int) -> Floats:
    """(N, D) turned to its principal axes, at most `AXES`, mean variance 1; no label is seen."""
    spread = matrix.std(axis=0)
    live = matrix[:, spread > TINY]
    if live.shape[1] == 0:
        return np.zeros((len(matrix), 1), np.float32)
    scaled = np.clip((live - live.mean(axis=0)) / live.std(axis=0), -FAR, FAR)
    count = min(AXES, *scaled.shape)
    left, sizes, _ = randomized_svd(scaled, count, n_iter=3, random_state=seed)
    turned = left * sizes
    return np.asarray(turned / max(TINY, float(turned.std())), np.float32)


def out_of_fold(features: Floats, labels: Ints, classes: int, folds: Folds) -> Probabilities:
    """(N, classes): each row by a linear probe that was fitted without the row's fold."""
    found = np.zeros((len(labels), classes))
    for learn, judge in folds:
        seen = np.unique(labels[learn])
        given = _linear(features[learn], np.searchsorted(seen, labels[learn]), features[judge])
        found[np.ix_(judge, seen)] = given
    return normalised(found)


def _linear(features: Floats, labels: Ints, asked: Floats) -> Probabilities:
    """Logistic regression's probabilities of `asked`."""
    model = LogisticRegression(C=PENALTY / len(labels), max_iter=200, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)
    return np.asarray(model.predict_proba(asked), np.float64)


def neighbour_votes(axes: Floats, labels: Ints, classes: int, groups: Ints) -> Probabilities:
    """Shares of each class among the nearest images by cosine, copies and the image's own group left out."""
    length = np.linalg.norm(axes, axis=1, keepdims=True)
    units = axes / np.maximum(length, TINY)
    count = neighbours_of(len(units))
    votes = np.zeros((len(units), classes))
    for start in range(0, len(units), CHUNK):
        alike = units[start : start + CHUNK] @ units.T
        alike[groups[start : start + CHUNK, None] == groups[None]] = -np.inf
        nearest = np.argpartition(-alike, count - 1, axis=1)[:, :count]
        weights = np.exp(SHARPNESS * np.take_along_axis(alike, nearest, axis=1).astype(np.float64))
        for number in range(classes):
            share = (weights * (labels[nearest] == number)).sum(axis=1)
            votes[start : start + CHUNK, number] = share
    return normalised(votes)


def neighbours_of(images: int) -> int:
    """How many neighbours vote in a set of so many images."""
    return min(images - 1, int(np.clip(round(images**0.5 / 2), *NEIGHBOURS)))


def calibrated(probabilities: Probabilities, labels: Ints) -> tuple[Probabilities, float]:
    """As sure as it is right, and the share of wrong labels: one temperature and one share, likeliest together.

    A label is taken to be the truth, or, with the share's probability, any other class at random. Without the second
    half a few wrong labels would make every probability timid.
    """
    logits = np.log(probabilities + TINY)
    rows, classes = np.arange(len(labels)), probabilities.shape[1]

    def surprise(point: npt.NDArray[np.float64]) -> float:
        right = _softmax(logits * _power(point[0]))[rows, labels]
        noise = _share(point[1])
        likely = (1.0 - noise) * right + noise / (classes - 1) * (1.0 - right)
        return float(-np.log(likely + TINY).mean() - SLIPS * np.log(noise) / len(labels))

    # The surface has side valleys (no noise and timid, much noise and cocksure): start in the deepest of a coarse grid.
    starts = itertools.product(np.arange(-1.5, 1.6, 0.5), np.arange(-5.0, 1.1, 1.0))
    start = np.array(min(starts, key=lambda point: surprise(np.array(point))))
    simplex = start + np.array([[0.0, 0.0], [0.25, 0.0], [0.0, 0.5]])
    options = {"initial_simplex": simplex, "maxiter": 120}
    best: Any = minimize(surprise, start, method="Nelder-Mead", options=options)
    return _softmax(logits * _power(float(best.x[0]))), _share(float(best.x[1]))


def pooled(opinions: Sequence[Probabilities]) -> Probabilities:
    """The geometric mean of several opinions: what none of them finds unlikely."""
    return _softmax(np.mean([np.log(one + TINY) for one in opinions], axis=0))


def normalised(values: Probabilities, smoothing: float = 1e-4) -> Probabilities:
    """Rows that sum to 1; every class keeps a little."""
    raised = values / np.maximum(values.sum(axis=1, keepdims=True), TINY) + smoothing
    shares: Probabilities = raised / raised.sum(axis=1, keepdims=True)
    return shares


def _power(point: float) -> float:
    """How much surer to be, between a seventh and seven times: beyond it nothing could be ranked any more."""
    return float(np.exp(np.clip(point, -2.0, 2.0)))


def _share(point: float) -> float:
    """Any number as a share between almost none and `MOST_NOISE`."""
    return float(MOST_NOISE / (1.0 + np.exp(-np.clip(point, -8.0, 8.0))))


def _softmax(logits: Probabilities) -> Probabilities:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Probabilities = raised / raised.sum(axis=1, keepdims=True)
    return shares
