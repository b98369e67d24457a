"""Proportions never travel alone: how often, out of how many, and how sure that makes us.

Sources: Wilson, JASA 22 (1927); Clopper and Pearson, Biometrika 26 (1934); compared in Newcombe, Statistics in
Medicine 17 (1998).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from scipy.stats import beta, norm

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Proportion:
    """`hits` of `total` with a 95 % interval; nothing observed is 0 within 0..1."""

    value: float
    low: float
    high: float
    hits: int
    total: int

    @classmethod
    def of(cls, hits: int, total: int) -> Proportion:
        """The observed share with Wilson's score interval."""
        low, high = wilson(hits, total)
        return cls(hits / total if total else 0.0, low, high, hits, total)

    @classmethod
    def exact(cls, hits: int, total: int) -> Proportion:
        """The observed share with Clopper and Pearson's interval, for promises."""
        low, high = clopper_pearson(hits, total)
        return cls(hits / total if total else 0.0, low, high, hits, total)


def wilson(hits: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval: close to the nominal coverage on average, also for few images."""
    _check(hits, total)
    if total == 0:
        return 0.0, 1.0
    z = _quantile(confidence)
    share = hits / total
    centre = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    # At the ends the formula gives 0 and 1 but for rounding.
    low = 0.0 if hits == 0 else (centre - half) / scale
    high = 1.0 if hits == total else (centre + half) / scale
    return low, high


def clopper_pearson(hits: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval: at least the nominal coverage always, hence wide; for promises."""
    _check(hits, total)
    if total == 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, total - hits + 1))
    high = 1.0 if hits == total else float(beta.ppf(1 - tail, hits + 1, total - hits))
    return low, high


@functools.cache
def _quantile(confidence: float) -> float:
    """SciPy takes longer over it than all the rest takes, and it is asked for in every class of every model."""
    return float(norm.ppf(0.5 + confidence / 2))


def _check(hits: int, total: int) -> None:
    if not 0 <= hits <= total:
        raise ValueError(f"a proportion needs 0 <= hits <= total, got {hits} of {total}")
