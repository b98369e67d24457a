"""Every figure against somebody else's: published tables, scikit-learn, or a table done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
)

from inspection.errors import DataError
from inspection.evaluation.intervals import Proportion, clopper_pearson, wilson
from inspection.evaluation.metrics import Evaluation, evaluate

CLASSES = ("crack", "ok", "scratch", "stain")

# Newcombe, Statistics in Medicine 17:857 (1998), table I: hits, total, Wilson's score, Clopper-Pearson.
NEWCOMBE = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]


@pytest.mark.parametrize(("hits", "total", "score", "exact"), NEWCOMBE)
def test_intervals_are_the_published_ones(hits, total, score, exact):
    assert wilson(hits, total) == pytest.approx(score, abs=5e-5)
    assert clopper_pearson(hits, total) == pytest.approx(exact, abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_agree_with_scipy_and_hold_the_share(case):
    hits, total = case
    for ours, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        low, high = ours(hits, total)
        theirs = binomtest(hits, total).proportion_ci(0.95, method=method)
        assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
        assert 0.0 <= low <= hits / total <= high <= 1.0


def test_nothing_observed_says_nothing():
    assert Proportion.of(0, 0) == Proportion(0.0, 0.0, 1.0, 0, 0)
    assert clopper_pearson(0, 0) == (0.0, 1.0)


def test_more_hits_than_images_is_a_fault():
    with pytest.raises(ValueError, match="7 of 3"):
        wilson(7, 3)


def random_answers(seed: int, count: int = 200):
    rng = np.random.default_rng(seed)
    labels = rng.choice(CLASSES, size=count, p=[0.1, 0.6, 0.25, 0.05])
    logits = rng.normal(size=(count, len(CLASSES)))
    logits[np.arange(count), [CLASSES.index(x) for x in labels]] += 1.5
    exp = np.exp(logits)
    return list(labels), exp / exp.sum(axis=1, keepdims=True)


def evaluated(labels, probabilities, classes=CLASSES, name="student") -> Evaluation:
    ids = [f"{i:064x}" for i in range(len(labels))]
    return evaluate(name, labels, probabilities, classes, image_ids=ids, test_digest="t" * 64)


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_scikit_learns(seed):
    labels, probabilities = random_answers(seed)
    called = [CLASSES[i] for i in probabilities.argmax(axis=1)]
    result = evaluated(labels, probabilities)
    assert result.accuracy.value == pytest.approx(np.mean(np.array(labels) == called))
    assert result.macro_f1 == pytest.approx(f1_score(labels, called, average="macro"))
    assert result.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, called))
    assert result.nll == pytest.approx(log_loss(labels, probabilities, labels=list(CLASSES)))
    np.testing.assert_array_equal(
        np.array(result.confusion), confusion_matrix(labels, called, labels=list(CLASSES))
    )
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, called, labels=list(CLASSES), zero_division=0
    )
    for i, score in enumerate(result.per_class):
        assert score.precision.value == pytest.approx(precision[i])
        assert score.recall.value == pytest.approx(recall[i])
        assert (score.f1, score.support) == (pytest.approx(f1[i]), support[i])


def test_a_class_without_test_images_does_not_move_the_means():
    labels = ["ok", "ok", "crack", "crack"]
    probabilities = np.array([[0.1, 0.9, 0.0], [0.1, 0.9, 0.0], [0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    result = evaluated(labels, probabilities, ("crack", "ok", "scratch"))
    assert result.balanced_accuracy == pytest.approx(0.75)
    assert result.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    missing = result.per_class[2]
    assert (missing.support, missing.recall.low, missing.recall.high) == (0, 0.0, 1.0)


def test_wrong_images_can_be_found_again():
    labels, probabilities = random_answers(3, 40)
    result = evaluated(labels, probabilities)
    assert len(result.wrong) == round(40 * (1 - result.accuracy.value))
    assert all(result.labels[i] != result.predictions[i] for i in result.wrong)


def test_an_evaluation_survives_the_disk(tmp_path):
    result = evaluated(*random_answers(1, 30))
    result.save(tmp_path / "evaluation.json")
    assert Evaluation.load(tmp_path / "evaluation.json") == result


def test_summary_is_flat_and_complete():
    result = evaluated(*random_answers(1, 30))
    assert set(result.summary) >= {"accuracy", "macro_f1", "balanced_accuracy", "ece", "nll"}
    assert all(isinstance(value, float) for value in result.summary.values())


TWO = ("a", "b")
BAD = [
    ([], np.zeros((0, 2)), "test set is empty"),
    (["a"], np.array([[0.5, 0.5], [0.5, 0.5]]), "do not fit"),
    (["a", "zebra"], np.array([[0.5, 0.5], [0.5, 0.5]]), "does not know \\['zebra'\\]"),
    (["a"], np.array([[np.nan, 0.5]]), "finite"),
    (["a"], np.array([[0.9, 0.9]]), "sum to 1"),
    (["a"], np.array([[1.5, -0.5]]), ">= 0"),
]


@pytest.mark.parametrize(("labels", "probabilities", "complaint"), BAD)
def test_answers_that_cannot_be_scored_are_refused(labels, probabilities, complaint):
    with pytest.raises(DataError, match=complaint):
        evaluated(labels, probabilities, TWO)
