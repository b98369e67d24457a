"""Calibration error against a table done by hand, the temperature against the one that was planted."""

from __future__ import annotations

import numpy as np
import pytest

from inspection.evaluation.calibration import (
    expected_calibration_error,
    fit_temperature,
    gap_and_slot,
    negative_log_likelihood,
    reliability,
    rise_p,
    softmax,
)

# By hand, five bins of width 0.2 over the top probability of two classes:
#   (0.4, 0.6]  0.55 right, 0.60 wrong            mean 0.575, share 1/2, gap 0.075, 2 images
#   (0.6, 0.8]  0.70 right, 0.75 right, 0.80 wrong mean 0.75, share 2/3, gap 1/12,  3 images
#   (0.8, 1.0]  0.90 right, 0.95 right, 1.00 right mean 0.95, share 1,   gap 0.05,  3 images
#   error = (2 * 0.075 + 3 / 12 + 3 * 0.05) / 8 = 0.55 / 8
CONFIDENCE = [0.55, 0.60, 0.70, 0.75, 0.80, 0.90, 0.95, 1.00]
RIGHT = [1, 0, 1, 1, 0, 1, 1, 1]


def by_hand():
    top = np.array(CONFIDENCE)
    return np.stack([top, 1 - top], axis=1), np.array([0 if r else 1 for r in RIGHT])


def test_calibration_error_is_the_hand_made_one():
    probabilities, labels = by_hand()
    assert expected_calibration_error(probabilities, labels, bins=5) == pytest.approx(0.55 / 8)


def test_the_table_behind_it():
    table = reliability(*by_hand(), bins=5)
    assert [row.count for row in table] == [0, 0, 2, 3, 3]
    assert [row.accuracy for row in table[2:]] == pytest.approx([1 / 2, 2 / 3, 1])
    assert [row.confidence for row in table[2:]] == pytest.approx([0.575, 0.75, 0.95])


def test_an_honest_model_has_little_error_and_a_boaster_much():
    rng = np.random.default_rng(5)
    probabilities = softmax(rng.normal(size=(20_000, 4)) * 2)
    labels = np.array([rng.choice(4, p=row) for row in probabilities])
    assert expected_calibration_error(probabilities, labels) < 0.02
    assert expected_calibration_error(softmax(np.log(probabilities), 0.3), labels) > 0.15


@pytest.mark.parametrize("planted", [0.5, 1.0, 3.0])
def test_the_planted_temperature_is_found(planted):
    rng = np.random.default_rng(11)
    logits = rng.normal(size=(8_000, 5)) * 2
    truth = softmax(logits)
    labels = np.array([rng.choice(5, p=row) for row in truth])
    assert fit_temperature(logits * planted, labels) == pytest.approx(planted, rel=0.06)


def test_no_mistake_in_few_images_is_no_reason_for_certainty():
    logits = np.eye(3)[np.arange(30) % 3] * 4.0
    labels = np.arange(30) % 3
    temperature = fit_temperature(logits, labels)
    assert 0.5 < temperature < 2.0
    assert softmax(logits, temperature).max() < 0.98


def test_temperature_never_changes_a_decision_and_never_surprises_more():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(500, 3)) * 6
    labels = rng.integers(0, 3, size=500)
    after = softmax(logits, fit_temperature(logits, labels))
    np.testing.assert_array_equal(after.argmax(axis=1), logits.argmax(axis=1))
    assert negative_log_likelihood(after, labels) < negative_log_likelihood(softmax(logits), labels)


def test_a_label_is_missing():
    with pytest.raises(ValueError, match="2 for 3"):
        fit_temperature(np.zeros((3, 2)), np.zeros(2, dtype=int))


def gaps_of(confidence: float, right: int, count: int = 200):
    return gap_and_slot(np.full(count, confidence), np.arange(count) < right)


def p_of(first, second, units) -> float:
    return rise_p((first[0], second[0]), (first[1], second[1]), units, seed=1)


def test_a_rise_of_the_error_is_more_than_chance_only_where_many_images_show_it():
    alone, together = np.arange(200), np.zeros(200, dtype=np.int64)
    fine, vain = gaps_of(0.9, 180), gaps_of(0.99, 160)
    assert p_of(vain, fine, alone) < 0.01
    assert p_of(fine, vain, alone) > 0.9
    assert p_of(fine, fine, alone) == 1.0
    # All images of one thing are one witness, who proves nothing.
    assert p_of(vain, fine, together) > 0.3


def test_swaps_find_a_rise_by_chance_as_often_as_they_say():
    generator = np.random.default_rng(3)
    found = []
    for _ in range(200):
        sure = generator.uniform(0.6, 1.0, (2, 150))
        one, other = (gap_and_slot(s, generator.random(150) < s) for s in sure)
        found.append(p_of(one, other, np.arange(150)))
    assert 0.01 < np.mean(np.array(found) <= 0.05) < 0.1
