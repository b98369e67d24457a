"""The paired test holds its level where outcomes are counted one by one, and its planning agrees with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import multinomial

from inspection.evaluation.noninferiority import (
    LEVEL,
    fewest_units,
    noninferiority_p,
    score,
    units_needed,
)


def every_outcome(units: int) -> list[tuple[int, int]]:
    return [(g, lost) for g in range(units + 1) for lost in range(units + 1 - g)]


def chance_of(
    outcomes: list[tuple[int, int]], units: int, gain: float, margin: float
) -> np.ndarray:
    cells = [(g, lost, units - g - lost) for g, lost in outcomes]
    lose = gain + margin
    return multinomial.pmf(cells, units, [gain, lose, max(1 - gain - lose, 0.0)])


def statistic(units: int, gained: int, lost: int, margin: float) -> float:
    return float(score(units, np.array([gained]), np.array([lost]), margin)[0])


@pytest.mark.parametrize(("units", "gained", "lost", "margin"), [
    (48, 1, 3, 0.1), (48, 4, 0, 0.1), (30, 2, 2, 0.15), (600, 20, 22, 0.02),
])  # fmt: skip
def test_the_score_is_the_likelihoods_own(units, gained, lost, margin):
    """The nuisance rate found by maximising the likelihood, not by the quadratic's root."""

    def surprise(gain: float) -> float:
        rest = units - gained - lost
        return -(
            gained * math.log(gain)
            + lost * math.log(gain + margin)
            + rest * math.log(1 - 2 * gain - margin)
        )

    top = (1 - margin) / 2 - 1e-9
    gain = minimize_scalar(
        surprise, bounds=(1e-12, top), method="bounded", options={"xatol": 1e-12}
    ).x
    spread = math.sqrt(units * (2 * gain + margin - margin**2))
    expected = (units * margin - (lost - gained)) / spread
    assert statistic(units, gained, lost, margin) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("units", "gained", "lost", "margin"), [
    (12, 0, 0, 0.2), (15, 1, 2, 0.3), (15, 3, 1, 0.2), (20, 0, 1, 0.1),
])  # fmt: skip
def test_p_is_the_worst_sum_over_all_outcomes_at_least_as_good(units, gained, lost, margin):
    outcomes = every_outcome(units)
    seen = statistic(units, gained, lost, margin)
    good = [o for o in outcomes if statistic(units, *o, margin) >= seen - 1e-9]
    rates = np.linspace(0, (1 - margin) / 2, 400)
    worst = max(float(chance_of(good, units, gain, margin).sum()) for gain in rates)
    assert noninferiority_p(units, gained, lost, margin) == pytest.approx(worst, abs=2e-3)


@pytest.mark.parametrize("units", [29, 48])
@pytest.mark.parametrize("gain", [0.0, 0.01, 0.03, 0.08])
def test_a_class_at_its_margin_passes_at_most_one_time_in_twenty(units, gain):
    """Where more than 16 gain or lose, the rest of the probability counts as passing."""
    outcomes = [o for o in every_outcome(units) if max(o) <= 16]
    chances = chance_of(outcomes, units, gain, 0.1)
    passed = [noninferiority_p(units, *o, 0.1) <= LEVEL for o in outcomes]
    assert float(chances[passed].sum()) + 1 - float(chances.sum()) <= LEVEL


def test_the_scores_normal_p_value_would_err_more_often():
    """What the exact test is for: 48 images at a margin of 10 points, 8 % gained."""
    outcomes = every_outcome(48)
    chances = chance_of(outcomes, 48, 0.08, 0.1)
    naive = [statistic(48, *o, 0.1) >= 1.6449 for o in outcomes]
    assert float(chances[naive].sum()) > LEVEL


counts = st.tuples(st.integers(5, 120), st.integers(0, 15), st.integers(0, 15)).filter(
    lambda c: c[1] + c[2] < c[0]
)


@given(counts, st.sampled_from([0.05, 0.1, 0.3]))
def test_losing_one_more_is_never_better_and_gaining_one_never_worse(found, margin):
    units, gained, lost = found
    p = noninferiority_p(units, gained, lost, margin)
    assert 0.0 <= p <= 1.0
    assert noninferiority_p(units, gained, lost + 1, margin) >= p - 1e-6
    assert noninferiority_p(units, gained + 1, lost, margin) <= p + 1e-6


@given(st.integers(5, 120), st.integers(0, 6), st.sampled_from([0.05, 0.1]))
def test_a_wider_margin_is_never_harder(units, lost, margin):
    if lost > units:
        return
    wide = noninferiority_p(units, 0, lost, 2 * margin)
    assert wide <= noninferiority_p(units, 0, lost, margin) + 1e-6


@pytest.mark.parametrize(("margin", "fewest"), [(0.1, 29), (0.05, 59), (0.02, 149), (0.3, 10)])
def test_the_fewest_images_are_those_that_a_perfect_record_needs(margin, fewest):
    assert fewest_units(margin) == fewest
    assert noninferiority_p(fewest, 0, 0, margin) <= LEVEL
    assert noninferiority_p(fewest - 1, 0, 0, margin) > LEVEL


@pytest.mark.parametrize(
    ("units", "gained", "lost"), [(48, 0, 2), (48, 2, 4), (60, 0, 2), (12, 0, 0)]
)
def test_so_many_images_at_the_rates_seen_would_show_it(units, gained, lost):
    needed = units_needed(units, gained, lost, 0.1)
    assert needed > units
    scaled = round(gained * needed / units), round(lost * needed / units)
    assert noninferiority_p(needed, *scaled, 0.1) <= LEVEL
    assert noninferiority_p(units, gained, lost, 0.1) > LEVEL


def test_no_number_of_images_shows_what_is_not_so():
    assert units_needed(48, 0, 7, 0.1) is None
    assert noninferiority_p(48, 0, 7, 0.1) == 1.0


@pytest.mark.parametrize(
    "wrong", [(10, 6, 6, 0.1), (10, -1, 0, 0.1), (10, 0, 0, 0.0), (10, 0, 0, 1.0)]
)
def test_what_cannot_be_counted_is_refused(wrong):
    with pytest.raises(ValueError, match=r"do not fit|between 0 and 1"):
        noninferiority_p(*wrong)
