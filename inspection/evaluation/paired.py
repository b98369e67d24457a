"""Is it more than chance? An exact test on the images where two recipes differ, and a correction for asking often.

Sources: McNemar, Psychometrika 12 (1947), in its exact form; Fisher's sign-flip test, of which it is a case; Holm,
Scandinavian Journal of Statistics 6 (1979).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.signal import fftconvolve
from scipy.stats import binom

Integers = npt.NDArray[np.int64]


def exact_p(leaning: Integers, *, greater: bool = False) -> float:
    """Two-sided p of whole-number differences, one per independent thing: how often coins in place of signs sum as far.

    Differences of -1, 0 and 1 make it McNemar's exact test. 1 where nothing differs. `greater` asks one-sided, for a
    sum above nothing.
    """
    total = int(leaning.sum())
    sizes, counts = np.unique(np.abs(leaning[leaning != 0]), return_counts=True)
    # The sum of what falls to one side, 0..M, in steps of one.
    shares = np.ones(1)
    for size, count in zip(sizes, counts, strict=True):
        step = np.zeros(int(size * count) + 1)
        step[:: int(size)] = binom.pmf(np.arange(count + 1), count, 0.5)
        shares = np.maximum(fftconvolve(shares, step), 0.0)
    sums = 2 * np.arange(len(shares)) - (len(shares) - 1)
    far = sums >= total if greater else np.abs(sums) >= abs(total)
    return min(1.0, float(shares[far].sum()))


def leaning(first_right: Integers, second_right: Integers, groups: Integers) -> Integers:
    """Per group (G,): images x seeds that the first (S1, N, zeros and ones) has right, less the second's (S2, N).

    In units of 1 / (S1 S2) images. A group moves as one: neither seeds nor views of one thing are more images.
    """
    one = first_right.sum(axis=0) * len(second_right)
    other = second_right.sum(axis=0) * len(first_right)
    return np.asarray(np.rint(np.bincount(groups, weights=one - other)), dtype=np.int64)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values in the order given: rejecting those below 0.05 errs in any with at most 5 %."""
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return tuple(adjusted)
