"""The table of cases behind the gate; the last column is what has to be said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from inspection.config import GateConfig
from inspection.evaluation.gate import METRICS, GateVerdict, gate, value_of
from inspection.evaluation.metrics import Evaluation, evaluate

CLASSES = ("crack", "ok", "stain")
LABELS = ["crack"] * 10 + ["ok"] * 20 + ["stain"] * 10


def answered(wrong: dict[str, int], *, name: str = "new", digest: str = "d" * 64) -> Evaluation:
    """An evaluation in which the first `wrong[label]` images of a label are called the next class."""
    left = dict(wrong)
    probabilities = np.full((len(LABELS), 3), 0.05)
    for row, label in enumerate(LABELS):
        place = CLASSES.index(label)
        if left.get(label, 0) > 0:
            left[label] -= 1
            place = (place + 1) % 3
        probabilities[row, place] = 0.9
    ids = [f"image-{i}" for i in range(len(LABELS))]
    return evaluate(name, LABELS, probabilities, CLASSES, image_ids=ids, test_digest=digest)


FLOORS = GateConfig(min_accuracy=0.9, min_macro_f1=0.85, min_balanced_accuracy=0.85)
ANY = GateConfig()

# challenger's mistakes, champion's mistakes or None, config, passed, what the sentence must say
CASES = [
    ({}, None, FLOORS, True, ["no champion yet", "every floor holds"]),
    ({"crack": 9}, None, ANY, True, ["no floor was asked of it", "no champion yet"]),
    ({"ok": 1}, {"ok": 1}, FLOORS, True, ["not worse than 'old'", "0 images newly right"]),
    ({}, {"ok": 1}, FLOORS, True, ["1 images newly right, 0 newly wrong"]),
    ({"crack": 6}, None, FLOORS, False, ["accuracy 0.8500 is 0.0500 below its floor 0.9000"]),
    ({"crack": 6}, None, FLOORS, False, ["balanced_accuracy 0.8000 is 0.0500", "crack 4 of 10"]),
    ({"crack": 1}, {}, ANY, False, ["accuracy 0.9750 is 0.0250 below", "crack -1 of 10"]),
    ({"crack": 1}, {}, GateConfig(max_loss_to_champion=0.04), True, ["passed"]),
    ({"stain": 3, "ok": 1}, {"crack": 1}, ANY, False, ["images lost: stain -3 of 10, ok -1 of 20"]),
    ({"crack": 1}, {"ok": 1}, ANY, False, ["balanced_accuracy 0.9667 is 0.0167 below"]),
]


@pytest.mark.parametrize(("ours", "theirs", "config", "passed", "said"), CASES)
def test_verdicts(ours, theirs, config, passed, said):
    champion = answered(theirs, name="old") if theirs is not None else None
    verdict = gate(answered(ours), champion, config)
    assert verdict.passed is passed
    assert bool(verdict.reasons) is not passed
    for words in said:
        assert words in verdict.sentence
    assert "\n" not in verdict.sentence


def test_another_test_set_is_never_compared():
    verdict = gate(answered({}), answered({"ok": 9}, name="old", digest="e" * 64), ANY)
    assert not verdict.passed
    assert "cannot be compared" in verdict.sentence
    assert "eeeeeeeeeeee" in verdict.sentence
    assert all(row.champion is None for row in verdict.table)
    assert verdict.class_changes == ()


def test_a_digest_that_lies_about_its_images_is_found():
    champion = answered({}, name="old")
    swapped = dataclasses.replace(champion, image_ids=("other", *champion.image_ids[1:]))
    verdict = gate(answered({}), swapped, ANY)
    assert not verdict.passed
    assert "different images" in verdict.sentence


def test_order_of_images_does_not_matter():
    champion = answered({"crack": 2}, name="old")
    back = {
        field: tuple(reversed(getattr(champion, field)))
        for field in ("image_ids", "labels", "predictions", "probabilities")
    }
    assert gate(answered({}), dataclasses.replace(champion, **back), ANY).passed


@pytest.mark.parametrize("metric", METRICS)
def test_each_floor_bites_alone(metric):
    challenger = answered({"crack": 3, "ok": 1})
    value = value_of(challenger, metric)
    assert gate(challenger, None, GateConfig(**{f"min_{metric}": value})).passed
    refused = gate(challenger, None, GateConfig(**{f"min_{metric}": value + 0.001}))
    assert [row.metric for row in refused.table if not row.passed] == [metric]
    assert refused.reasons[0].startswith(metric)


def test_an_equal_model_passes_and_tables_add_up():
    verdict = gate(answered({"ok": 2}), answered({"ok": 2}, name="old"), FLOORS)
    assert verdict.passed
    assert [row.difference for row in verdict.table] == [0.0, 0.0, 0.0]
    assert sum(change.support for change in verdict.class_changes) == len(LABELS)


def test_a_verdict_survives_the_disk(tmp_path):
    verdict = gate(answered({"ok": 9}), answered({}, name="old"), FLOORS)
    verdict.save(tmp_path / "gate.json")
    assert GateVerdict.load(tmp_path / "gate.json") == verdict
