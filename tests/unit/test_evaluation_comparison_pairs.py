"""The tests on pairs of recipes: exact where it can be, corrected for many, one voice for views of one thing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from inspection.evaluation.comparison import compare
from inspection.evaluation.paired import exact_p, holm, leaning
from inspection.evaluation.recipes import answered
from inspection.evaluation.resampling import two_sided
from tests.unit.comparison_material import exactly, recipe


@given(st.integers(0, 40), st.integers(0, 40))
def test_one_seed_makes_mcnemars_exact_test(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    units = np.array([1] * first + [-1] * second + [0] * 5)
    assert exact_p(units) == pytest.approx(expected)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=10))
def test_the_exact_test_counts_every_way_to_flip_signs(units: list[int]) -> None:
    sums = [
        abs(sum(s * u for s, u in zip(signs, units, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(units))
    ]
    expected = np.mean([each >= abs(sum(units)) for each in sums])
    assert exact_p(np.array(units)) == pytest.approx(expected)


def test_views_of_one_thing_have_one_voice() -> None:
    first = np.array([[1, 1, 1, 0]])
    second = np.array([[0, 0, 0, 1], [0, 0, 0, 1]])
    assert leaning(first, second, np.array([0, 1, 2, 3])).tolist() == [2, 2, 2, -2]
    assert leaning(first, second, np.array([0, 0, 0, 1])).tolist() == [6, -2]


def test_seeds_that_err_apart_do_not_hide_behind_their_vote() -> None:
    """Three seeds of 0.90 whose votes are all right are worse than three that are always right."""
    rights = [np.ones(300, dtype=bool) for _ in range(3)]
    for k in range(3):
        rights[k][30 * k : 30 * k + 30] = False
    sure = [np.ones(300, dtype=bool)] * 3
    found = compare([recipe("a", rights), recipe("b", sure)], seed=7)
    assert (
        answered([recipe("a", rights), recipe("b", sure)]).votes[0]
        == answered([recipe("a", rights), recipe("b", sure)]).true
    ).all()
    assert found.pairs[0].verdict == "worse"
    assert found.pairs[0].only_first_wrong == pytest.approx(30)


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx((0.06, 0.03, 0.06))
    assert holm([]) == ()
    assert holm([0.6, 0.9]) == (1.0, 1.0)


def test_many_pairs_can_still_be_told_apart() -> None:
    """Draws are finite: with 66 pairs, 2,000 of them could show no difference at all."""
    recipes = [exactly(f"r{k:02}", range(2 * k), 300, 1.0 + k) for k in range(11)]
    recipes.append(exactly("hopeless", range(200), 300, 1.0))
    found = compare(recipes, seed=7)
    assert found.pair("hopeless", "r00").verdict == "worse"
    assert found.pair("r00", "r01").verdict == "tie"


def test_two_sided_is_never_zero() -> None:
    assert two_sided(np.ones(199)) == pytest.approx(0.01)
    assert two_sided(np.zeros(10)) == 1.0


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (8, 2), (2, 8), (30, 20)])
def test_one_sided__is_the_binomials_own_tail(won: int, lost: int) -> None:
    values = np.array([1] * won + [-1] * lost + [0] * 5)
    expected = binom.sf(won - 1, won + lost, 0.5) if won + lost else 1.0
    assert exact_p(values, greater=True) == pytest.approx(expected)
