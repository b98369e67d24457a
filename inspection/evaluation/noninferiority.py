"""Is it shown that no more than a margin is lost? An exact test of paired answers, and how many images it asks for.

Of `units` independent things one model has `gained` right that the other has wrong, and `lost` the reverse. Tested is
P(lost) - P(gained) >= margin; a small p-value says that less is lost than the margin. Outcomes are ordered by Tango's
score; p is then the largest probability, over every possible rate of disagreement, of an outcome at least as good. So
the error at the margin is never more than the level, in a class of 30 images too: the score's own normal p-value errs
more often than it says there (`benchmarks/bench_gate.py`).

Covered: margins of a difference, any number of units. Not covered: units that depend on each other; count views of one
thing as one unit first (`inspection/evaluation/head_to_head.py`).

Sources: Tango, Statistics in Medicine 17 (1998), for the score; Hsueh, Liu and Chen, Biometrics 57 (2001), for the
exact unconditional test.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, gammaln, xlog1py, xlogy
from scipy.stats import norm

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEVEL = 0.05
GRID, FINE = 96, 25
"""Rates of disagreement tried, and tried again around the worst of them."""
NEGLIGIBLE = 1e-9
"""Numbers of disagreements that are rarer are left out of a sum, and so much is added for all of them."""
MOST_UNITS = 1_000_000
MOST_EXACT = 5_000
"""Units from which the score is as good as the exact test."""


def score(units: int, gained: Integers, lost: Integers, margin: float) -> Floats:
    """Tango's statistic, elementwise: standard normal where the loss equals `margin`, larger where less is lost."""
    # p_gained under the constraint p_lost = p_gained + margin: the root of a quadratic.
    straight = margin * (2 * units - lost + gained) - (gained + lost)
    constant = -gained * margin * (1 - margin)
    root = np.sqrt(np.maximum(straight**2 - 8 * units * constant, 0.0))
    rate = np.maximum((root - straight) / (4 * units), 0.0)
    spread = np.sqrt(units * (2 * rate + margin * (1 - margin)))
    return np.asarray((units * margin - (lost - gained)) / spread, dtype=np.float64)


@functools.lru_cache(maxsize=65536)
def noninferiority_p(units: int, gained: int, lost: int, margin: float) -> float:
    """Exact p-value of a loss of `margin` or more, 0 < margin < 1; 1 where there is nothing to count."""
    if not 0 < margin < 1:
        raise ValueError(f"a margin lies between 0 and 1, got {margin}")
    if min(gained, lost) < 0 or gained + lost > units:
        raise ValueError(f"{gained} gained and {lost} lost do not fit {units} units")
    if units == 0 or lost - gained >= units * margin:
        return 1.0  # nothing that speaks for it
    allowed = _most_lost(units, gained, lost, margin)

    # Denser towards none: good models seldom disagree, and there the chance varies most.
    rates = (1 - margin) / 2 * np.linspace(0.0, 1.0, GRID) ** 2
    found = _chances(units, allowed, margin, rates)
    worst = int(found.argmax())
    around = np.linspace(rates[max(worst - 1, 0)], rates[min(worst + 1, GRID - 1)], FINE)
    return min(1.0, float(_chances(units, allowed, margin, around).max()))


@functools.cache
def fewest_units(margin: float, level: float = LEVEL) -> int:
    """Units below which not even a record without one change shows that less than `margin` is lost."""
    fewest = math.ceil(math.log(level) / math.log1p(-margin))
    while noninferiority_p(fewest, 0, 0, margin) > level:
        fewest += 1
    return fewest


def units_needed(
    units: int, gained: int, lost: int, margin: float, level: float = LEVEL
) -> int | None:
    """About how many units would show it at the rates seen here; None where the rates themselves lose the margin."""
    if lost - gained >= units * margin:
        return None
    asked = float(norm.ppf(1 - level))
    least = max(units, fewest_units(margin, level))
    enough = least
    while _projected(enough, units, gained, lost, margin) < asked:
        enough *= 2
        if enough > MOST_UNITS:
            return None
    low, high = max(least, enough // 2), enough
    while low < high:
        middle = (low + high) // 2
        if _projected(middle, units, gained, lost, margin) < asked:
            low = middle + 1
        else:
            high = middle
    return _exactly(high, units, gained, lost, margin, level)


def _exactly(enough: int, units: int, gained: int, lost: int, margin: float, level: float) -> int:
    """From what the score asks for up to what the exact test is content with; they differ where there are few."""
    while enough <= MOST_EXACT:
        counts = round(gained * enough / units), round(lost * enough / units)
        if noninferiority_p(enough, *counts, margin) <= level:
            break
        enough += max(1, enough // 20)
    return enough


def _projected(wanted: int, units: int, gained: int, lost: int, margin: float) -> float:
    """The score of `wanted` units at the rates of `units`."""
    scale = wanted / units
    counts = np.array([gained * scale]), np.array([lost * scale])
    return float(score(wanted, *counts, margin)[0])


def _most_lost(units: int, gained: int, lost: int, margin: float) -> Integers:
    """For each number of disagreements (units + 1,): the most losses that are at least as good as those seen; -1: none.

    Losing more of equally many disagreements is never better, so halving finds the border.
    """
    seen = float(score(units, np.array([gained]), np.array([lost]), margin)[0]) - 1e-9
    disagreements = np.arange(units + 1)
    low, high = np.full(units + 1, -1), disagreements.copy()
    while (open_ := low < high).any():
        middle = np.where(open_, (low + high + 1) // 2, low)
        tried = np.maximum(middle, 0)
        good = (score(units, disagreements - tried, tried, margin) >= seen) | (middle < 0)
        low, high = np.where(open_ & good, middle, low), np.where(open_ & ~good, middle - 1, high)
    return low


def _chances(units: int, allowed: Integers, margin: float, rates: Floats) -> Floats:
    """How probable outcomes within `allowed` are at each rate (R,) of gains, where the loss equals `margin`."""
    counts = np.arange(units + 1)[:, None]
    disagree = (2 * rates + margin)[None, :]
    ways = gammaln(units + 1) - gammaln(counts + 1) - gammaln(units - counts + 1)
    weights = np.exp(ways + xlogy(counts, disagree) + xlog1py(units - counts, -disagree))
    count, rate = np.nonzero((weights > NEGLIGIBLE / (units + 1)) & (allowed[:, None] >= 0))
    share = (rates + margin) / disagree[0]
    inside = bdtr(allowed[count], count, share[rate])
    sums = np.bincount(rate, weights=weights[count, rate] * inside, minlength=len(rates))
    return np.asarray(sums + NEGLIGIBLE, dtype=np.float64)
