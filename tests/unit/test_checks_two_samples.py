"""Chance dealt out of a reference: weights that are contrasts, a scatter that is right, tails that are careful."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from data_checks.two_samples import Null, dealt, group_codes


def test_group_codes__number_groups_and_rows() -> None:
    assert group_codes(3, None).tolist() == [0, 1, 2]
    assert group_codes(4, np.array([7, 7, -1, 7])).tolist() == [1, 1, 0, 1]


def test_dealt__takes_whole_groups_and_compares_means() -> None:
    codes = np.repeat(np.arange(30), 4)
    weights = dealt(codes, 20, 50, np.random.default_rng(0)).astype(np.float64)

    assert weights.sum(axis=1) == pytest.approx(np.zeros(50), abs=1e-6)
    inside = (weights > 0).reshape(50, 30, 4)
    assert (inside.all(axis=2) | ~inside.any(axis=2)).all(), "a group was torn apart"
    assert set(inside.sum(axis=(1, 2)).tolist()) == {20}


@pytest.mark.parametrize("size", [1, 6])
def test_dealt__scatters_as_means_of_a_batch_and_the_reference(size: int) -> None:
    """Rows of one group are equal: the difference of means scatters as that of `rows / size` independent values."""
    rng = np.random.default_rng(1)
    groups, batch = 100, 120
    values = np.repeat(rng.normal(size=groups), size)
    shifts = dealt(np.repeat(np.arange(groups), size), batch, 4000, rng) @ values

    wanted = values.std() * np.sqrt(size * (1 / batch + 1 / len(values)))
    assert shifts.std() == pytest.approx(wanted, rel=0.05)


def test_dealt__one_group_that_is_nearly_all_leaves_something_to_compare() -> None:
    codes = np.array([0] * 50 + [1])
    assert np.isfinite(dealt(codes, 40, 20, np.random.default_rng(0))).all()


def test_null__is_exact_inside_and_careful_outside() -> None:
    draws = np.random.default_rng(2).normal(size=5000)
    null = Null(draws)

    assert null.p_value(-10.0) == pytest.approx(1.0)
    assert null.p_value(0.0) == pytest.approx(0.5, abs=0.02)
    for value in (2.5, 3.0, 4.0, 5.0):
        assert null.p_value(value) > 0.8 * stats.norm.sf(value)
    assert null.p_value(3.0) > null.p_value(3.5) > null.p_value(9.0) > 0.0


def test_null__of_equal_draws_still_answers() -> None:
    null = Null(np.ones(100))
    assert null.p_value(1.0) == 1.0
    assert null.p_value(2.0) < 1e-9
