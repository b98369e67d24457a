"""Comparing recipes: equals tie, the better one is found, intervals cover, and what cannot be compared is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from inspection.errors import DataError
from inspection.evaluation.compared import Comparison
from inspection.evaluation.comparison import compare
from inspection.evaluation.comparison_words import about, how, overall, percents, points, signed
from inspection.evaluation.pareto import front_of
from inspection.evaluation.recipes import Recipe, answered
from inspection.evaluation.resampling import draw
from tests.unit.comparison_material import CLASSES, World, answers, cost, exactly, labels_of, recipe

# Figures.


def small() -> Comparison:
    fast = exactly("fast", range(10, 22), latency_ms=1.0)
    slow = exactly("slow", range(14, 24), latency_ms=40.0)
    poor = exactly("poor", range(60), latency_ms=5.0)
    return compare([slow, fast, poor], seed=7)


def test_figures_are_those_of_other_hands() -> None:
    study = World(5).study((0.0, -1.0))
    found = compare(study, seed=7)
    for one, figures in zip(study, found.recipes, strict=True):
        truths = labels_of(600)
        said = [evaluation.predictions for evaluation in one.evaluations]
        f1 = np.mean([f1_score(truths, each, average="macro") for each in said])
        right = [np.mean([a == b for a, b in zip(truths, each, strict=True)]) for each in said]
        assert figures.macro_f1.value == pytest.approx(f1)
        assert figures.accuracy.value == pytest.approx(np.mean(right))
        assert figures.by_seed == pytest.approx(right)
        assert np.sum(figures.confusion) == 3 * 600


def test_draws_of_unchanged_images_are_the_figures_themselves() -> None:
    """The bootstrap's own arithmetic, held against `evaluate`: its draws surround each score."""
    study = World(5).study((0.0, -1.0), seeds=1)
    drawn = draw(answered(study), seed=1, draws=1000)
    for r, one in enumerate(study):
        (evaluation,) = one.evaluations
        for name, value in (
            ("accuracy", evaluation.accuracy.value),
            ("macro_f1", evaluation.macro_f1),
            ("balanced_accuracy", evaluation.balanced_accuracy),
        ):
            spread = drawn.scores[name][r].std()
            assert abs(drawn.scores[name][r].mean() - value) < 0.2 * spread


def test_counts_of_errors_by_one_of_two() -> None:
    pair = small().pair("fast", "slow")
    assert (pair.only_first_wrong, pair.only_second_wrong, pair.both_wrong) == (4, 2, 8)
    assert pair.mcnemar_p == pytest.approx(binomtest(2, 6).pvalue)
    assert pair.verdict == "tie"
    turned = small().pair("slow", "fast")
    assert (turned.only_first_wrong, turned.only_second_wrong) == (2, 4)
    assert turned.difference.value == -pair.difference.value == pytest.approx(0.01)
    assert turned.difference.low == -pair.difference.high


def test_the_worse_is_called_worse_from_both_sides() -> None:
    assert small().pair("poor", "slow").verdict == "worse"
    assert small().pair("slow", "poor").verdict == "better"


def test_never_wrong_is_not_certain() -> None:
    found = compare([exactly("a", []), exactly("b", [])], seed=7)
    accuracy, difference = found.recipes[0].accuracy, found.pairs[0].difference
    assert (accuracy.value, accuracy.high) == (1.0, 1.0)
    assert accuracy.low < 0.985
    assert difference.low < -0.005 < 0.005 < difference.high
    assert found.recipes[0].macro_f1.low < 0.99


def test_retention_is_of_the_reference() -> None:
    found = compare(
        [exactly("a", range(20), 400), exactly("b", range(30), 400)], seed=7, reference="b"
    )
    assert found.figures("b").retention.value == found.figures("b").retention.low == 1.0
    kept = found.figures("a").retention
    assert kept.value == pytest.approx((380 / 400) / (370 / 400))
    assert kept.low < kept.value < kept.high < 1.1


def test_equal_seeds_of_equal_inputs_give_equal_bytes() -> None:
    assert small().to_json() == small().to_json()
    assert Comparison.from_json(small().to_json()) == small()


def test_order_of_images_and_classes_does_not_matter() -> None:
    right = World(4).study((0.0,), images=200, seeds=1)[0].evaluations[0]
    rows = np.random.default_rng(1).permutation(200)
    columns = [2, 0, 3, 1]
    shuffled = replace(
        right,
        classes=tuple(CLASSES[c] for c in columns),
        image_ids=tuple(right.image_ids[i] for i in rows),
        labels=tuple(right.labels[i] for i in rows),
        predictions=tuple(right.predictions[i] for i in rows),
        probabilities=tuple(tuple(right.probabilities[i][c] for c in columns) for i in rows),
    )
    both = [Recipe(n, (1,), (e,), cost()) for n, e in (("a", right), ("b", shuffled))]
    (pair,) = compare(both, seed=7).pairs
    assert (pair.only_first_wrong, pair.only_second_wrong) == (0, 0)


def test_seeds_are_not_images() -> None:
    """Three copies of one study know no more than one of them."""
    right = [np.ones(200, dtype=bool) for _ in range(2)]
    right[0][:9], right[1][9:11] = False, False
    once = compare([recipe("a", right[:1]), recipe("b", right[1:])], seed=7)
    thrice = compare([recipe("a", right[:1] * 3), recipe("b", right[1:] * 3)], seed=7)
    assert once.pairs[0].mcnemar_p == thrice.pairs[0].mcnemar_p
    assert thrice.pairs[0].verdict == once.pairs[0].verdict == "tie"


def test_an_even_vote_goes_to_the_surer_seeds() -> None:
    sure, unsure = answers(np.array([True])), answers(np.array([False]))
    softer = replace(unsure, probabilities=((0.3, 0.4, 0.2, 0.1),))
    both = [Recipe(n, (1, 2), (sure, softer), cost()) for n in "ab"]
    assert answered(both).votes.tolist() == [[0], [0]]


# The choice.


def test_the_fastest_that_ties_is_best_and_leaves_no_room_for_the_slower() -> None:
    found = small()
    assert (found.most_accurate, found.best) == ("slow", "fast")
    assert found.front == ("fast",)
    assert overall(found).startswith("fast ties with slow (−1.0 points [")
    assert overall(found).endswith("at 1/40 of its time.")
    assert "fast: accuracy 94.0 % [" in about(found, found.figures("fast"))
    assert about(found, found.figures("slow")).endswith("; the reference.")
    assert "poor: accuracy 70.0 %" in about(found, found.figures("poor"))
    assert "is worse than slow" in about(found, found.figures("poor"))
    assert any("one seed" in words for words in how(found))


def test_a_tie_for_want_of_images_recommends_nothing() -> None:
    found = compare(
        [exactly("slow", range(20), 36, 40.0), exactly("fast", range(15, 40 - 4), 36, 1.0)], seed=7
    )
    assert found.pairs[0].verdict == "tie"
    assert found.best == "slow"
    assert "fast is faster, but these images cannot rule out a loss of" in overall(found)


def test_a_better_one_stays_on_the_front_though_it_is_slow() -> None:
    found = compare([exactly("good", [], 200, 40.0), exactly("quick", range(60), 200, 1.0)], seed=7)
    assert found.front == ("quick", "good")
    assert found.best == "good"
    assert "no faster recipe ties with it" in overall(found)


def test_ties_do_not_add_up() -> None:
    """Small ties with middle, middle with large, large beats small: middle goes, large stays."""
    nobody: frozenset[str] = frozenset()
    rivals = {
        "large": (40.0, 0.96, frozenset({"small"})),
        "middle": (10.0, 0.95, nobody),
        "small": (1.0, 0.94, nobody),
    }
    assert front_of(rivals) == ("small", "large")


@given(
    st.lists(
        st.tuples(st.sampled_from([1.0, 2.0, 5.0, 9.0]), st.integers(0, 12)), min_size=2, max_size=7
    )
)
def test_the_front_is_never_beaten_and_beats_or_ties_all_others(
    points: list[tuple[float, int]],
) -> None:
    gap = 3
    rivals = {
        str(i): (ms, float(a), frozenset(str(j) for j, (_, b) in enumerate(points) if a - b >= gap))
        for i, (ms, a) in enumerate(points)
    }
    front = front_of(rivals)

    def drives_off(other: str, name: str) -> bool:
        if other in rivals[name][2] or rivals[other][0] > rivals[name][0]:
            return False
        return name in rivals[other][2] or rivals[other][0] < rivals[name][0]

    assert front
    assert not any(drives_off(a, b) for a in front for b in front if a != b)
    left_out = [name for name in rivals if name not in front]
    assert all(any(drives_off(one, name) for one in front) for name in left_out)


# Refusals.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"test_digest": "e" * 64}, "compare runs of one frozen test set"),
        ({"classes": (*CLASSES, "stain")}, "know other classes (stain)"),
        ({"image_ids": [f"{i + 1:064x}" for i in range(8)]}, "answered for different images"),
        ({"labels": ["ok"] * 8}, "were held to other labels"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(
    changes: dict[str, object], said: str
) -> None:
    right = np.ones(8, dtype=bool)
    plain = answers(right)
    if "classes" in changes:
        other = replace(
            plain,
            classes=(*CLASSES, "stain"),
            probabilities=tuple((*row, 0.0) for row in plain.probabilities),
        )
    else:
        other = answers(right, **changes)
    both = [Recipe(n, (1,), (e,), cost()) for n, e in (("a", plain), ("b", other))]
    with pytest.raises(DataError) as refused:
        compare(both, seed=7)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_one_recipe_or_one_name_twice_or_no_latency_is_refused() -> None:
    one = exactly("a", [1])
    with pytest.raises(DataError, match="two recipes or more, not 1"):
        compare([one], seed=7)
    with pytest.raises(DataError, match="two recipes are called 'a'"):
        compare([one, one], seed=7)
    with pytest.raises(DataError, match="'b' has no latency"):
        compare([one, replace(one, name="b", cost=replace(one.cost, latency_ms=0.0))], seed=7)
    with pytest.raises(DataError, match="one evaluation for each"):
        compare([one, replace(one, name="b", seeds=(1, 2))], seed=7)
    with pytest.raises(DataError, match="no recipe 'c'"):
        compare([one, exactly("b", [])], seed=7, reference="c")


def test_figures_in_words() -> None:
    found = small().pair("fast", "slow").difference
    assert points(found).startswith("−1.0 points [−")
    assert signed(-0.0001) == "0.0"
    assert signed(0.012) == "+1.2"
    assert percents(small().figures("fast").accuracy).startswith("94.0 % [")
