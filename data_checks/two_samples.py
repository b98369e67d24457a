"""Did two samples come from one source? Each test gives a p-value, exact or from permutations, and an effect.

Covered: numbers, labels, points in many dimensions, a few points where none were before; samples that come in
clusters, by a design effect. Not covered: clusters nobody named; with those, every p-value is too small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.spatial.distance import cdist

LARGEST_SAMPLE = 500
"""Rows drawn from a larger sample for tests that look at all pairs."""
COMPONENTS = 30
"""Principal components kept: beyond, distances between all points become alike."""
NEIGHBOURS = 5
TAILS = (0.01, 0.05)
"""Shares of the reference that count as its tail: one for a few far strangers, one for many near ones."""
FOLDS = 5

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Difference:
    """`p_value`: how often equal sources differ this much. `effect`: how much, in the test's own unit."""

    p_value: float
    effect: float


@dataclass(frozen=True)
class Resampling:
    """Where chance comes from, and how often it is asked; p-values below 1 / `permutations` cannot be told."""

    rng: np.random.Generator
    permutations: int

    @classmethod
    def for_threshold(cls, threshold: float, *, seed: int) -> Resampling:
        """Enough permutations to tell a p-value five times below `threshold`, within reason."""
        wanted = int(np.ceil(5.0 / threshold))
        return cls(np.random.default_rng(seed), min(max(999, wanted), 50_000))


def design_effect(values: Matrix, groups: Labels | None) -> float:
    """How many dependent rows of `values` (N, D) are worth one independent row; 1 without `groups`, never less.

    1 + (m - 1) rho: m is the size of the group a row is in, on average, rho the share of variance between groups.
    Source: L. Kish, Survey Sampling, 1965, section 5.4; rho by one-way analysis of variance, summed over columns.
    """
    if groups is None:
        return 1.0
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    count, rows = len(sizes), len(groups)
    if count in (1, rows):
        return 1.0
    means = np.zeros((count, values.shape[1]))
    np.add.at(means, codes, values)
    means /= sizes[:, None]
    within = float(((values - means[codes]) ** 2).sum()) / (rows - count)
    spread = (means - values.mean(axis=0)) ** 2
    between = float((sizes[:, None] * spread).sum()) / (count - 1)
    usual = (rows - (sizes**2).sum() / rows) / (count - 1)
    total = between + (usual - 1) * within
    rho = (between - within) / total if total > 0 else 0.0
    size = float((sizes**2).sum() / rows)
    return max(1.0, 1.0 + (size - 1.0) * float(np.clip(rho, 0.0, 1.0)))


def level_and_shape(current: Matrix, reference: Matrix, groups: Labels | None) -> Difference:
    """Numbers (N,), (M,): Kolmogorov-Smirnov for any change, Mann-Whitney for shifts, Bonferroni over both.

    Effect: the largest gap between the two distribution functions, 0..1.
    """
    effect = design_effect(_ranks(reference)[:, None], groups)
    gap = float(stats.ks_2samp(current, reference).statistic)
    p_value = min(_ks_p(current, reference, effect), _mann_whitney_p(current, reference, effect))
    return Difference(min(1.0, 2.0 * p_value), gap)


def level(current: Matrix, reference: Matrix, groups: Labels | None) -> Difference:
    """Numbers (N,), (M,): Mann-Whitney; effect: how far P(current > reference) is from one half, times two, 0..1."""
    effect = design_effect(_ranks(reference)[:, None], groups)
    wins = float(stats.mannwhitneyu(current, reference).statistic) / (len(current) * len(reference))
    return Difference(_mann_whitney_p(current, reference, effect), abs(2.0 * wins - 1.0))


def shape(current: Matrix, reference: Matrix, groups: Labels | None) -> Difference:
    """Numbers (N,), (M,): Kolmogorov-Smirnov; effect: its distance, 0..1."""
    effect = design_effect(_ranks(reference)[:, None], groups)
    gap = float(stats.ks_2samp(current, reference).statistic)
    return Difference(_ks_p(current, reference, effect), gap)


def _ranks(values: Matrix) -> Matrix:
    return np.asarray(stats.rankdata(values), np.float64)


def _ks_p(current: Matrix, reference: Matrix, effect: float) -> float:
    found = stats.ks_2samp(current, reference)
    if effect == 1.0:
        return float(found.pvalue)
    rows = len(current) * len(reference) / (len(current) + len(reference)) / effect
    return float(stats.kstwobign.sf(float(found.statistic) * np.sqrt(rows)))


def _mann_whitney_p(current: Matrix, reference: Matrix, effect: float) -> float:
    p_value = float(stats.mannwhitneyu(current, reference, method="asymptotic").pvalue)
    return float(2.0 * stats.norm.sf(stats.norm.isf(p_value / 2.0) / np.sqrt(effect)))


def hellinger(
    current: Labels,
    reference: Labels,
    classes: int,
    groups: Labels | None,
    resample: Resampling,
) -> Difference:
    """Labels 0..classes-1; effect: Hellinger distance of the shares, 0..1; p by permutation."""
    here = np.bincount(current, minlength=classes)
    there = np.bincount(reference, minlength=classes)
    observed = float(_hellinger(here[None], there[None])[0])
    null = hellinger_null(current, reference, classes, groups, resample)
    return Difference(_permutation_p(null, observed), observed)


def hellinger_null(
    current: Labels,
    reference: Labels,
    classes: int,
    groups: Labels | None,
    resample: Resampling,
) -> Matrix:
    """Distances (permutations,) that the pooled labels give when dealt out at random."""
    pooled = np.bincount(np.concatenate([current, reference]), minlength=classes)
    drawn = resample.rng.multivariate_hypergeometric(pooled, len(current), resample.permutations)
    effect = design_effect(np.eye(classes)[reference], groups)
    # The squared distance of equal sources falls with the number of independent rows.
    return np.asarray(_hellinger(drawn, pooled - drawn) * np.sqrt(effect))


def _hellinger(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> Matrix:
    p = first / first.sum(axis=-1, keepdims=True)
    q = second / second.sum(axis=-1, keepdims=True)
    return np.asarray(np.sqrt(np.maximum(0.0, 1.0 - np.sqrt(p * q).sum(axis=-1))))


def mean_discrepancy(
    current: Matrix, reference: Matrix, groups: Labels | None, resample: Resampling
) -> Difference:
    """Points (N, D), (M, D), whitened together; effect: squared MMD, Gaussian kernel of median width."""
    kept = _drawn(len(reference), resample.rng)
    first = current[_drawn(len(current), resample.rng)]
    # Whitened by both: if only the reference set the scale, the two would not be exchangeable.
    points = _whitened(np.concatenate([first, reference[kept]]))
    squared = cdist(points, points, "sqeuclidean")
    apart = squared[squared > 0]
    kernel = np.exp(-squared / (float(np.median(apart)) if apart.size else 1.0))
    weights = _weights(len(first), len(kept), resample)
    # For weights w = 1/n on one side and -1/m on the other, w' K w is the biased squared MMD.
    values = np.einsum("ij,ij->i", weights @ kernel, weights)
    inside = None if groups is None else groups[kept]
    effect = design_effect(points[len(first) :], inside)
    return Difference(_permutation_p(values[1:] * effect, float(values[0])), float(values[0]))


def _whitened(points: Matrix) -> Matrix:
    centred = points - points.mean(axis=0)
    spread = centred.std(axis=0)
    scaled = centred / np.where(spread > 1e-9, spread, 1.0)
    axes, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    kept = min(COMPONENTS, int((sizes > 1e-6 * max(sizes[0], 1e-12)).sum()))
    return np.asarray(axes[:, :kept] * np.sqrt(len(points)))


def _weights(here: int, there: int, resample: Resampling) -> Matrix:
    """Weights of the true assignment in row 0, of random ones below; (1 + permutations, here + there)."""
    weights = np.concatenate([np.full(here, 1.0 / here), np.full(there, -1.0 / there)])
    rows = np.tile(weights, (resample.permutations + 1, 1))
    rows[1:] = resample.rng.permuted(rows[1:], axis=1)
    return rows


def novelty_scores(
    current: Matrix, reference: Matrix, groups: Labels | None
) -> tuple[Matrix, Matrix]:
    """Mean distance to the nearest reference points, of current (N,) and of reference points (M,).

    Reference points are scored by folds (of whole groups) that leave them out of scale, components and neighbours, so
    that both samples are strangers to what they are compared with.
    """
    codes = (
        np.arange(len(reference)) if groups is None else np.unique(groups, return_inverse=True)[1]
    )
    folds = codes % FOLDS
    own = np.empty(len(reference))
    others = []
    for fold in np.unique(folds):
        kept, left_out = reference[folds != fold], reference[folds == fold]
        if len(kept) < NEIGHBOURS:  # one group holds nearly all: nothing else to compare with
            kept = reference
        scores = _distances(np.concatenate([left_out, current]), kept)
        own[folds == fold] = scores[: len(left_out)]
        others.append(scores[len(left_out) :])
    return np.mean(others, axis=0), own


def _distances(points: Matrix, reference: Matrix) -> Matrix:
    mean, spread = reference.mean(axis=0), reference.std(axis=0)
    # A feature that never moved in the reference has no scale of its own: take the usual one.
    usual = float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
    scale = np.where(spread > 1e-9, spread, usual)
    scaled = (reference - mean) / scale
    axes = np.linalg.svd(scaled, full_matrices=False)[2][:COMPONENTS].T
    distances = cdist((points - mean) / scale @ axes, scaled @ axes)
    nearest = np.partition(distances, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    return np.asarray(nearest.mean(axis=1))


def tail_count(current: Matrix, reference: Matrix, groups: Labels | None) -> Difference:
    """Scores (N,), (M,): are too many of current beyond the reference's tail? Effect: their share, 0..1.

    Exact whatever the distribution: if both come from one source, every order of the pooled scores is equally likely,
    so the count beyond the r-th largest reference score follows a hypergeometric law. Bonferroni over `TAILS`.
    """
    by_tail = [_tail_p(current, reference, groups, share) for share in TAILS]
    widest = np.sort(reference)[-_rank(TAILS[-1], reference)]
    return Difference(min(1.0, len(TAILS) * min(by_tail)), float((current > widest).mean()))


def _rank(share: float, reference: Matrix) -> int:
    return max(1, round(share * len(reference)))


def _tail_p(current: Matrix, reference: Matrix, groups: Labels | None, share: float) -> float:
    rank = _rank(share, reference)
    limit = np.sort(reference)[-rank]
    count = int((current > limit).sum())
    if count == 0:
        return 1.0
    effect = design_effect((reference >= limit).astype(np.float64)[:, None], groups)
    # Clusters shrink every count to what it is worth.
    here, there = round(len(current) / effect), round(len(reference) / effect)
    known, found = max(1, round(rank / effect)), max(1, round(count / effect))
    return float(stats.hypergeom.cdf(known - 1, here + there, there, known - 1 + found))


def _drawn(rows: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    if rows <= LARGEST_SAMPLE:
        return np.arange(rows)
    return np.sort(rng.choice(rows, LARGEST_SAMPLE, replace=False))


def _permutation_p(drawn: Matrix, observed: float) -> float:
    return float((1 + (drawn >= observed - 1e-12).sum()) / (1 + len(drawn)))
