"""How far each signal moves by chance alone, asked of the reference: whole groups dealt out as batches, many times.

Covered: the false-alarm rate of all signals together, whatever their dependence, for batches of one size; a reference
of finite size; parts photographed several times. Not covered: batches unlike the reference from the first day; groups
that nobody named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data_checks.drift_measures import (
    CLOUD,
    SHARES,
    SIGNALS,
    STRANGE,
    TAILS,
    Measures,
    Ruler,
)
from data_checks.drift_reference import DriftReference
from data_checks.two_samples import Labels, Matrix, Null, cautious, dealt, group_codes

DRAWS = 2000
USUAL = 0.01
"""A signal is told in units of what this share of clean batches exceeds, so that all get a like part of the budget."""
LEAST_LIMIT = 2.6
"""Standard errors; what a signal that never moved in the reference must move at least to count as one unit."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """`nulls`: the largest signal of a clean batch, in units of each signal's `limits`, by each way of dealing.

    `sizes`: images of each part in the reference.
    """

    ruler: Ruler
    means: Mapping[str, Matrix]
    variances: Mapping[str, Matrix]
    errors: Mapping[str, Matrix]
    limits: Mapping[str, float]
    nulls: tuple[Null, ...]
    sizes: Labels

    @classmethod
    def of(
        cls, reference: DriftReference, known: int, batch: int, rng: np.random.Generator
    ) -> Calibration:
        """For batches of `batch` images with the first `known` image statistics."""
        return cls.with_ruler(Ruler.of(reference, known, rng), reference.groups, batch, rng)

    @classmethod
    def with_ruler(
        cls, ruler: Ruler, groups: Labels | None, batch: int, rng: np.random.Generator
    ) -> Calibration:
        """For what a ruler already measured of the reference; `groups`: the part of each of its images."""
        columns = _columns(ruler.reference, ruler.reference)
        images = len(ruler.reference.labels)
        parts = group_codes(images, groups)
        ways = [dealt(parts, batch, DRAWS, rng)]
        if groups is not None:
            # A batch of single images lacks the balance of whole parts.
            ways.append(dealt(group_codes(images, None), batch, DRAWS, rng))
        sizes = np.bincount(parts)
        floor = _floor(sizes, batch)
        errors, limits = {}, {}
        largest = [np.zeros(DRAWS) for _ in ways]
        for name, values in columns.items():
            shifts = [weights @ values.astype(np.float32) for weights in ways]
            errors[name] = np.maximum(
                floor, np.max([shift.std(axis=0) for shift in shifts], axis=0)
            )
            moves = [_size(name, shift / errors[name]) for shift in shifts]
            usual = max(float(np.quantile(move, 1.0 - USUAL)) for move in moves)
            limits[name] = max(usual, LEAST_LIMIT)
            for most, move in zip(largest, moves, strict=True):
                np.maximum(most, move / limits[name], out=most)
        means = {name: values.mean(axis=0) for name, values in columns.items()}
        variances = {name: values.var(axis=0) for name, values in columns.items()}
        return cls(
            ruler, means, variances, errors, limits, tuple(Null(most) for most in largest), sizes
        )

    def judge(self, measures: Measures) -> dict[str, float]:
        """Per signal how often the largest of all signals of a clean batch moves as far: p-values, told by name."""
        p_values = {}
        for name, values in _columns(measures, self.ruler.reference).items():
            error = self.errors[name] * self._wider(values, self.variances[name])
            shift = (values.mean(axis=0) - self.means[name]) / error
            size = float(_size(name, shift[None])[0])
            p_value = max(null.p_value(size / self.limits[name]) for null in self.nulls)
            p_values[name] = cautious(p_value, self.sizes)
        return p_values

    def _wider(self, values: Matrix, variance: Matrix) -> Matrix:
        """By how much batch and reference together scatter more than the reference alone, 1 or more.

        Of what is rare the reference may by luck show too little to know its scatter; the batch is a witness too.
        """
        here, there = len(values), int(self.sizes.sum())
        pooled = (here * values.var(axis=0) + there * variance) / (here + there)
        ratio = np.divide(pooled, variance, out=np.ones_like(pooled), where=variance > 0.0)
        return np.asarray(np.sqrt(np.maximum(ratio, 1.0)))


def _columns(measures: Measures, reference: Measures) -> dict[str, Matrix]:
    """(N, K) by signal: ranks among the reference and their distance from the middle; classes, waves and tails."""
    columns = {}
    for signal, names in SIGNALS.items():
        ranks = [
            ranked(measures.numbers[name], reference.numbers[name])
            for name in names
            if name in measures.numbers
        ]
        if ranks:
            columns[signal] = np.stack([*ranks, *(np.abs(rank) for rank in ranks)], axis=1)
    columns[SHARES] = np.eye(reference.classes)[measures.labels]
    columns[CLOUD] = measures.waves
    limits = np.quantile(reference.strange, 1.0 - np.array(TAILS), axis=0)
    beyond = [(measures.strange > limit).astype(np.float64) for limit in limits]
    ranks = [ranked(*both) for both in zip(measures.strange.T, reference.strange.T, strict=True)]
    columns[STRANGE] = np.concatenate([*beyond, np.stack(ranks, axis=1)], axis=1)
    return columns


def ranked(values: Matrix, reference: Matrix) -> Matrix:
    """-0.5 to 0.5: the share of reference values below, ties counted half."""
    order = np.sort(reference)
    below = np.searchsorted(order, values, side="left") + np.searchsorted(
        order, values, side="right"
    )
    return np.asarray(below / (2.0 * len(order)) - 0.5)


def _size(name: str, shifts: Matrix) -> Matrix:
    """Of shifts (R, K) in standard errors: the largest; the length where columns tell one thing together."""
    if name in (SHARES, CLOUD):
        return np.asarray(np.sqrt((shifts**2).sum(axis=1)))
    return np.asarray((shifts if name == STRANGE else np.abs(shifts)).max(axis=1))


def _floor(sizes: Labels, batch: int) -> Matrix:
    """Standard error of a share that one part of usual size has in the reference: never seen is not never there."""
    rows = int(sizes.sum())
    size = float((sizes**2).sum()) / rows
    return np.array(size * np.sqrt((1.0 / batch + 1.0 / rows) / rows))
