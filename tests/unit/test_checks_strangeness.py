"""Novelty scores: equal for further images of the reference's kind, each score for the strangers it is made for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from data_checks.strangeness import SCORES, Strangeness

NEAR, CLASSES, BESIDE = range(SCORES)
CENTRES = np.eye(3, 40) * 24.0
SPREAD = np.where(np.arange(40) < 20, 1.0, 0.05)


def cloud(seed: int, images: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Three classes, far apart in the first three of 40 directions; those beyond the twentieth hardly move."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, images)
    noise = rng.normal(size=(images, 40)) * SPREAD
    return CENTRES[labels] + noise, labels


def known(groups: npt.NDArray[np.int64] | None = None) -> Strangeness:
    return Strangeness.of(*cloud(0, 300), groups)


def test_own_scores__are_those_of_further_images() -> None:
    found = known()
    further = found.scores(cloud(1, 300)[0])

    for score in (NEAR, CLASSES):
        assert stats.ks_2samp(found.own[:, score], further[:, score]).pvalue > 0.001


@pytest.mark.parametrize(
    ("score", "stranger"),
    [
        (NEAR, np.eye(1, 40)[0] * 120.0),
        (CLASSES, np.full(40, 8.0) * (np.arange(40) < 3)),
        (BESIDE, np.eye(1, 40, 30)[0] * 25.0),
    ],
    ids=["far out", "between the classes", "in a direction never seen"],
)
def test_stranger__is_beyond_nearly_all(score: int, stranger: npt.NDArray[np.float64]) -> None:
    found = known()
    noise = np.random.default_rng(5).normal(size=(20, 40)) * SPREAD
    scores = found.scores(stranger + noise)[:, score]

    assert (scores > np.quantile(found.own[:, score], 0.95)).mean() > 0.9


def test_copies_of_one_part__do_not_vouch_for_each_other() -> None:
    points, labels = cloud(0, 60)
    points, labels, groups = (np.repeat(one, 5, axis=0) for one in (points, labels, np.arange(60)))

    naive = Strangeness.of(points, labels, None).own[:, NEAR]
    grouped = Strangeness.of(points, labels, groups).own[:, NEAR]
    assert np.median(naive) < 0.8 * np.median(grouped)


def test_more_features_than_images__is_fine() -> None:
    rng = np.random.default_rng(3)
    found = Strangeness.of(rng.normal(size=(40, 500)), rng.integers(0, 2, 40), None)

    assert np.isfinite(found.own).all()
    assert np.isfinite(found.scores(rng.normal(size=(7, 500)))).all()


def test_features_that_never_move__are_no_fault() -> None:
    assert np.isfinite(Strangeness.of(np.zeros((30, 4)), np.zeros(30, np.int64), None).own).all()
