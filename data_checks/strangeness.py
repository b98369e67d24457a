"""How strange is each image among known ones? Three scores, blind to different things, none helped by the image.

Covered: points far from all others (nearest neighbours); points that lie where the model's classes do not, though not
far out (relative Mahalanobis distance; J. Ren et al., A simple fix to Mahalanobis distance, 2021, arXiv:2106.09022);
points that the known directions do not explain (what is left beside the principal components).
Not covered: what the embedding does not show; an unknown defect of a few pixels can leave it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from data_checks.two_samples import Labels, Matrix, group_codes

COMPONENTS = 100
"""Principal components kept, at most one for five points and half of the directions."""
NEAR_COMPONENTS = 30
"""Of them for neighbours: in more, distances between all points become alike."""
NEIGHBOURS = 5
FOLDS = 5
SHRINKAGE = 0.2
SCORES = 3


@dataclass(frozen=True, eq=False)
class Space:
    """One fold's knowledge: the way into its components, its points there, and the metrics of the second score."""

    mean: Matrix
    scale: Matrix
    axes: Matrix
    points: Matrix
    centres: Matrix
    within: Matrix
    total: Matrix

    def scores(self, others: Matrix) -> Matrix:
        """(M, 3): distance to the nearest points; to the nearest class, less to the whole cloud; to the components."""
        scaled = (others - self.mean) / self.scale
        placed = scaled @ self.axes
        apart = cdist(placed[:, :NEAR_COMPONENTS], self.points[:, :NEAR_COMPONENTS])
        nearest = min(NEIGHBOURS, apart.shape[1])
        near = np.partition(apart, nearest - 1, axis=1)[:, :nearest].mean(axis=1)
        to_class = cdist(placed @ self.within, self.centres @ self.within).min(axis=1)
        to_cloud = np.linalg.norm(placed @ self.total, axis=1)
        beside = np.maximum((scaled**2).sum(axis=1) - (placed**2).sum(axis=1), 0.0)
        return np.stack([near, to_class - to_cloud, np.sqrt(beside)], axis=1)


@dataclass(frozen=True, eq=False)
class Strangeness:
    """By folds of whole groups: each is scored by what the others know.

    A batch is dealt out over the same folds, so that its scores are those of further reference images.
    """

    spaces: tuple[Space, ...]
    own: Matrix

    @classmethod
    def of(cls, reference: Matrix, labels: Labels, groups: Labels | None) -> Strangeness:
        """Of reference points (N, D) and the classes (N,) that the model gave them; `own`: their scores (N, 3)."""
        folds = group_codes(len(reference), groups) % FOLDS
        spaces = []
        for fold in range(FOLDS):
            kept = folds != fold
            kept = (
                kept if kept.sum() >= NEIGHBOURS else np.ones_like(kept)
            )  # one group is nearly all
            spaces.append(_space(reference[kept], labels[kept]))
        return cls(tuple(spaces), _scored(tuple(spaces), reference, folds))

    def scores(self, points: Matrix) -> Matrix:
        """(M, 3) of other points."""
        return _scored(self.spaces, points, np.arange(len(points)) % FOLDS)


def _scored(spaces: tuple[Space, ...], points: Matrix, folds: Labels) -> Matrix:
    scores = np.empty((len(points), SCORES))
    for fold, space in enumerate(spaces):
        if (folds == fold).any():
            scores[folds == fold] = space.scores(points[folds == fold])
    return scores


def _space(reference: Matrix, labels: Labels) -> Space:
    mean, spread = reference.mean(axis=0), reference.std(axis=0)
    # A feature that never moved in the reference has no scale of its own: take the usual one.
    usual = float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
    scale = np.where(spread > 1e-9, spread, usual)
    scaled = (reference - mean) / scale
    count = min(COMPONENTS, len(scaled) // 5, scaled.shape[1] // 2)
    axes = _axes(scaled, max(1, count))
    points = scaled @ axes
    known, codes = np.unique(labels, return_inverse=True)
    centres = np.stack([points[codes == code].mean(axis=0) for code in range(len(known))])
    within = _metric(points - centres[codes])
    return Space(mean, scale, axes, points, centres, within, _metric(points))


def _axes(scaled: Matrix, count: int) -> Matrix:
    """Principal directions (D, count) of centred rows."""
    if scaled.shape[1] <= len(scaled):
        return np.asarray(np.linalg.eigh(scaled.T @ scaled)[1][:, ::-1][:, :count])
    vectors = np.linalg.eigh(scaled @ scaled.T)[1][:, ::-1][
        :, :count
    ]  # the small one of two equal problems
    axes = scaled.T @ vectors
    return np.asarray(axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-12))


def _metric(centred: Matrix) -> Matrix:
    """M such that |x M| is the Mahalanobis length of x, by a covariance drawn towards a sphere."""
    covariance = centred.T @ centred / len(centred)
    size = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    drawn = (1.0 - SHRINKAGE) * covariance + SHRINKAGE * size * np.eye(len(covariance))
    return np.asarray(np.linalg.cholesky(np.linalg.inv(drawn)))
