"""Did a batch come from the reference's source? Chance is asked of the reference itself, by dealing out its groups.

Covered: means of any columns, with every dependence among them and inside groups kept. Not covered: groups nobody
named; photographs of one part that pass for several parts alarm too often.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

TAIL = 0.02
"""Share of the draws that an exponential law is fitted to."""

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def group_codes(rows: int, groups: Labels | None) -> Labels:
    """Group of each row as 0, 1, 2 …; every row its own without `groups`."""
    if groups is None:
        return np.arange(rows)
    return np.asarray(np.unique(groups, return_inverse=True)[1], np.int64)


def dealt(
    codes: Labels, batch: int, draws: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Weights (draws, N): the mean of a random pseudo-batch of whole groups less the mean of all other rows.

    Scaled so that products with columns scatter as those of a real batch of `batch` rows and all N rows do, whose means
    differ by (1/batch + 1/N), not by (1/m + 1/(N - m)) independent rows.
    """
    rows, sizes = len(codes), np.bincount(codes)
    wanted = min(batch, rows // 2)
    order = np.argsort(rng.random((draws, len(sizes)), dtype=np.float32), axis=1)
    before = np.cumsum(sizes[order], axis=1) - sizes[order]
    chosen = np.zeros((draws, len(sizes)), bool)
    np.put_along_axis(chosen, order, before < wanted, axis=1)
    inside = chosen[:, codes]
    taken = np.minimum(inside.sum(axis=1, keepdims=True), rows - 1)
    left = rows - taken
    scale = np.sqrt((1 / batch + 1 / rows) / (1 / taken + 1 / left))
    return np.asarray(np.where(inside, scale / taken, -scale / left), np.float32)


class Null:
    """What the largest of several statistics reaches by chance, from draws (N,): `p_value` of any value."""

    def __init__(self, draws: Matrix) -> None:
        self.draws = np.sort(draws)
        self.far = float(np.quantile(draws, 1.0 - TAIL))
        beyond = self.draws[self.draws > self.far] - self.far
        self.scale = max(float(beyond.mean()) if beyond.size else 0.0, 1e-9)

    def p_value(self, value: float) -> float:
        """Share of draws at or above `value`; far out an exponential tail, which errs on the safe side.

        Safe where the true tail falls faster, as those of means do.
        """
        if value > self.far:
            return float(TAIL * np.exp(-min((value - self.far) / self.scale, 690.0)))
        above = len(self.draws) - int(np.searchsorted(self.draws, value, side="left"))
        return float((1 + above) / (1 + len(self.draws)))


def cautious(p_value: float, sizes: Labels) -> float:
    """The p-value once it is admitted that its scatter was itself estimated, from groups of these sizes.

    Student's law in place of the normal one, with a quarter of the effective number of groups as degrees of freedom:
    means of groups in which some stand far out tell their scatter no better than that.
    """
    groups = float(sizes.sum()) ** 2 / float((sizes**2).sum())
    return float(stats.t.sf(stats.norm.isf(p_value), max(groups / 4.0, 2.0)))
