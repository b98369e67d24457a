"""How suspicious each label is, judged only by models and neighbours that never saw it.

Covered: several views of an image (embeddings of other sizes or networks) speak together; probes are repeated over
folds and averaged with the votes of the nearest neighbours, then held against the given label; cleanlab says which
images fall below their class's own threshold. Not covered: noise that follows the pixels so closely that every model
learns it; labels that a quarter or more of their class share in error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_checks.label_probe import (
    Floats,
    Ints,
    Probabilities,
    axes_of,
    calibrated,
    grouped_folds,
    neighbour_votes,
    out_of_fold,
    pooled,
)

REPEATS = 3
"""Rounds of folds that are averaged: which images happened to be held out together matters no longer."""


@dataclass(frozen=True, eq=False)
class Suspicion:
    """What is held against N labels. Probabilities are (N, classes); `wrong` (N,) estimates that the label is wrong.

    `probe`: one round of one linear probe on all views, as it comes. `pooled`: probes and neighbours together, as sure
    as they are right. `noise`: share of wrong labels that fits best; `issues`: cleanlab's choice.
    """

    probe: Probabilities
    votes: Probabilities
    pooled: Probabilities
    noise: float
    wrong: Probabilities
    issues: npt.NDArray[np.bool_]

    @property
    def suggested(self) -> Ints:
        """The class that all together find likeliest."""
        return np.asarray(self.pooled.argmax(axis=1), np.int64)


def suspicion(
    views: Sequence[Floats], labels: Ints, classes: int, groups: Ints, *, seed: int
) -> Suspicion:
    """Judge `labels` (N,) by `views`, each (N, D); `groups` (N,) never face each other."""
    axes = axes_of(np.concatenate(views, axis=1), seed=seed)
    rounds = [
        out_of_fold(axes, labels, classes, grouped_folds(labels, groups, seed=seed + number))
        for number in range(REPEATS)
    ]
    votes = neighbour_votes(axes, labels, classes, groups)
    together, noise = calibrated(pooled([*rounds, calibrated(votes, labels)[0]]), labels)
    given = together[np.arange(len(labels)), labels]
    return Suspicion(
        probe=rounds[0],
        votes=votes,
        pooled=together,
        noise=noise,
        wrong=_posterior(given, noise, classes),
        issues=label_issues(together, labels),
    )


def label_issues(probabilities: Probabilities, labels: Ints) -> npt.NDArray[np.bool_]:
    """Confident learning's choice: images surer of another class than that class's own images are on average."""
    from cleanlab.filter import find_label_issues  # type: ignore[import-untyped]

    found = find_label_issues(labels, probabilities, n_jobs=1)
    return np.asarray(found, bool)


def _posterior(given: Probabilities, noise: float, classes: int) -> Probabilities:
    """Probability that a label is wrong, from that of the given class and how rare wrong labels are here."""
    slip = noise / (classes - 1) * (1.0 - given)
    return np.asarray(slip / (slip + (1.0 - noise) * given), np.float64)
