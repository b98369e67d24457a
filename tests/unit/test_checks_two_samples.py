"""Each test keeps its false-alarm rate on equal sources and sees the difference it is there for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_checks.two_samples import (
    Difference,
    Labels,
    Matrix,
    Resampling,
    design_effect,
    hellinger,
    level,
    level_and_shape,
    mean_discrepancy,
    novelty_scores,
    shape,
    tail_count,
)

TESTS = ("level", "shape", "level_and_shape", "hellinger", "mmd", "tail")


def compare(name: str, current: Matrix, reference: Matrix, groups: Labels | None) -> Difference:
    """Any of the tests on points (N, D): the first column where a test wants numbers."""
    resample = Resampling(np.random.default_rng(1), 400)
    if name == "mmd":
        return mean_discrepancy(current, reference, groups, resample)
    if name == "hellinger":
        labels = [np.digitize(sample[:, 0], [-0.7, 0.7]) for sample in (current, reference)]
        return hellinger(labels[0], labels[1], 3, groups, resample)
    if name == "tail":
        return tail_count(*novelty_scores(current, reference, groups), groups)
    tests = {"level": level, "shape": shape, "level_and_shape": level_and_shape}
    return tests[name](current[:, 0], reference[:, 0], groups)


def clustered(rng: np.random.Generator, parts: int, shots: int) -> tuple[Matrix, Labels]:
    """`shots` photographs of each of `parts`: most of the variance is between parts."""
    groups = np.repeat(np.arange(parts), shots)
    parts_points = rng.normal(0, 1, (parts, 6))
    return parts_points[groups] + rng.normal(0, 0.25, (parts * shots, 6)), groups


@pytest.mark.parametrize("name", TESTS)
def test_equal_sources__seldom_alarm(name: str) -> None:
    rng = np.random.default_rng(7)
    p_values = [
        compare(name, rng.normal(0, 1, (80, 6)), rng.normal(0, 1, (120, 6)), None).p_value
        for _ in range(60)
    ]

    # At p < 0.05 chance gives 3 of 60; 9 or more has a chance of 0.2 %.
    assert sum(p < 0.05 for p in p_values) < 9


@pytest.mark.parametrize("name", TESTS)
def test_shifted_source__is_seen(name: str) -> None:
    rng = np.random.default_rng(7)
    current, reference = rng.normal(1.5, 1, (80, 6)), rng.normal(0, 1, (120, 6))

    assert compare(name, current, reference, None).p_value < 0.003


@pytest.mark.parametrize("name", TESTS)
def test_groups__keep_repeated_photographs_from_crying_wolf(name: str) -> None:
    rng = np.random.default_rng(7)
    known, ignored = [], []
    for _ in range(40):
        current, _ = clustered(rng, 20, 6)
        reference, groups = clustered(rng, 20, 6)
        known.append(compare(name, current, reference, groups).p_value < 0.05)
        ignored.append(compare(name, current, reference, None).p_value < 0.05)

    assert sum(known) < 7
    assert sum(ignored) > 10, "without groups the test must be fooled, or this proves nothing"


def test_strangers__are_counted_where_the_cloud_as_a_whole_stays() -> None:
    rng = np.random.default_rng(5)
    reference, current = rng.normal(0, 1, (200, 12)), rng.normal(0, 1, (100, 12))
    current[:15] += np.array([9.0] + [0.0] * 11)

    found = tail_count(*novelty_scores(current, reference, None), None)

    assert found.p_value < 1e-3
    assert found.effect >= 0.15


def test_tail__is_exact_for_small_samples() -> None:
    known = np.array([1.0, 2.0, 3.0])

    # Of the 4 equally likely places of a newcomer one is the top; twice that, for two tails are looked at.
    assert tail_count(np.array([9.0]), known, None).p_value == pytest.approx(2 / 4)
    # Two newcomers both on top: 1 of the 10 ways to choose their 2 places among 5.
    assert tail_count(np.array([8.0, 9.0]), known, None).p_value == pytest.approx(2 / 10)
    assert tail_count(np.array([2.5]), known, None) == Difference(1.0, 0.0)


def test_hellinger__of_disjoint_labels_is_one() -> None:
    resample = Resampling(np.random.default_rng(0), 999)
    here, there = np.zeros(40, np.int64), np.ones(40, np.int64)

    found = hellinger(here, there, 2, None, resample)

    assert found.effect == pytest.approx(1.0)
    assert found.p_value == pytest.approx(1 / 1000)


def test_features_that_never_move__are_harmless() -> None:
    rng = np.random.default_rng(0)
    reference = np.concatenate([rng.normal(0, 1, (60, 2)), np.zeros((60, 3))], axis=1)
    current = np.concatenate([rng.normal(0, 1, (50, 2)), np.zeros((50, 3))], axis=1)
    resample = Resampling(np.random.default_rng(0), 400)

    assert mean_discrepancy(current, reference, None, resample).p_value > 0.01
    current[:, 4] = 4.0
    assert tail_count(*novelty_scores(current, reference, None), None).p_value < 1e-6
    assert mean_discrepancy(current, reference, None, resample).p_value < 0.01


def test_all_points_equal__is_no_difference() -> None:
    same = np.ones((40, 5))

    found = mean_discrepancy(same, same, None, Resampling(np.random.default_rng(0), 400))

    assert found.p_value > 0.5
    assert np.isfinite(novelty_scores(same, same, None)[0]).all()


def test_one_group_that_holds_everything__still_gives_scores() -> None:
    points = np.random.default_rng(0).normal(0, 1, (40, 4))

    scores = novelty_scores(points, points, np.zeros(40, np.int64))

    assert all(np.isfinite(side).all() for side in scores)


def test_large_samples__are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_checks.two_samples.LARGEST_SAMPLE", 60)
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(50), 4)

    found = mean_discrepancy(
        rng.normal(2, 1, (300, 4)), rng.normal(0, 1, (200, 4)), groups, Resampling(rng, 400)
    )

    assert found.p_value < 0.01


@given(parts=st.integers(2, 12), shots=st.integers(1, 8), seed=st.integers(0, 999))
def test_design_effect__lies_between_one_and_the_size_of_a_group(
    parts: int, shots: int, seed: int
) -> None:
    groups = np.repeat(np.arange(parts), shots)
    values = np.random.default_rng(seed).normal(0, 1, (parts * shots, 2))

    assert 1.0 <= design_effect(values, groups) <= shots + 1e-9
    assert design_effect(groups[:, None].astype(float), groups) == pytest.approx(shots)
    assert design_effect(values, None) == 1.0


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, 999), (0.00125, 4000), (1e-9, 50_000)])
def test_permutations__suffice_for_the_threshold(threshold: float, expected: int) -> None:
    assert Resampling.for_threshold(threshold, seed=1).permutations == expected
