"""The table of cases behind the gate; the last column is what has to be said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from inspection.config import EconomicsConfig, GateConfig
from inspection.evaluation.economics import Rule
from inspection.evaluation.gate import GateVerdict, gate
from inspection.evaluation.gate_evidence import Corrupted, Cost, Evidence, seen
from inspection.evaluation.gate_rows import METRICS, value_of
from inspection.evaluation.metrics import Evaluation, evaluate

CLASSES = ("crack", "ok", "stain")
LABELS = ["crack"] * 60 + ["ok"] * 120 + ["stain"] * 60
IDS = [f"image-{i}" for i in range(len(LABELS))]


def answered(
    wrong: dict[str, int], *, name: str = "new", digest: str = "d" * 64, sure: float = 0.97
) -> Evaluation:
    """An evaluation in which the first `wrong[label]` images of a label are called the next class."""
    left = dict(wrong)
    probabilities = np.full((len(LABELS), 3), (1 - sure) / 2)
    for row, label in enumerate(LABELS):
        place = CLASSES.index(label)
        if left.get(label, 0) > 0:
            left[label] -= 1
            place = (place + 1) % 3
        probabilities[row, place] = sure
    return evaluate(name, LABELS, probabilities, CLASSES, image_ids=IDS, test_digest=digest)


FLOORS = GateConfig(min_accuracy=0.9, min_macro_f1=0.85, min_balanced_accuracy=0.85)
ANY = GateConfig()
ALONE = GateConfig(ways=())
FAST = Evidence(cost=Cost(1.0, 1000), champion_cost=Cost(1.3, 1000), seen_by_champion=())
SMALL = Evidence(cost=Cost(1.0, 1000), champion_cost=Cost(1.0, 1300), seen_by_champion=())
ALIKE = Evidence(cost=Cost(1.0, 1000), champion_cost=Cost(1.1, 1100), seen_by_champion=())
EXPORT = Evidence(same_student=True, seen_by_champion=())

# challenger's mistakes, champion's mistakes or None, config, evidence, way or '' for a refusal, what must be said
CASES = [
    ({}, None, FLOORS, None, "floors", ["no champion yet", "every floor holds"]),
    ({"crack": 59}, None, ANY, None, "floors", ["no floor was asked of it", "no champion yet"]),
    ({"crack": 36}, None, FLOORS, None, "", ["accuracy 0.8500 is 0.0500 below its floor 0.9000"]),
    ({"crack": 36}, None, FLOORS, None, "", ["balanced_accuracy 0.8000", "crack 24 of 60"]),
    (
        {},
        {"ok": 6},
        FLOORS,
        None,
        "accuracy",
        ["right more often than 'old'", "6 images newly right"],
    ),
    ({}, {"ok": 4}, ANY, None, "", ["4 images newly right, 0 newly wrong of 240", "p = 0.062"]),
    ({"ok": 1}, {"ok": 1}, ANY, None, "", ["not shown to be right more often", "nobody has timed"]),
    (
        {"ok": 1},
        {"ok": 1},
        ANY,
        ALIKE,
        "",
        ["not cheaper: 1.10 × as fast (asked 1.2 ×) and 1.10 × as"],
    ),
    (
        {"ok": 1},
        {"ok": 1},
        GateConfig(margin=0.01),
        FAST,
        "",
        ["cheaper, but not shown", "about 59 more"],
    ),
    ({"ok": 1}, {"ok": 1}, ANY, FAST, "cheaper", ["1.30 × as fast", "less than 2 points lost"]),
    ({"ok": 1}, {"ok": 1}, GateConfig(margin=0.03), SMALL, "cheaper", ["1.30 × as small"]),
    (
        {"ok": 1},
        {},
        GateConfig(margin=0.03),
        FAST,
        "cheaper",
        ["1 newly wrong", "within its margin"],
    ),
    (
        {"ok": 9},
        {},
        GateConfig(margin=0.03),
        FAST,
        "",
        ["lose less than 3 points", "9 newly wrong"],
    ),
    (
        {"ok": 1},
        {"ok": 1},
        GateConfig(ways=("accuracy",)),
        FAST,
        "",
        ["not shown to be right more"],
    ),
    ({}, {"ok": 6}, GateConfig(ways=("cheaper",)), ALIKE, "", ["not cheaper"]),
    (
        {"crack": 9},
        {"ok": 30},
        ANY,
        None,
        "",
        ["class 'crack' lost 9 and gained 0 of 60", "not within"],
    ),
    (
        {"crack": 2},
        {"ok": 30},
        ANY,
        None,
        "",
        ["class 'crack' lost 2", "about 3 more images are missing"],
    ),
    ({"crack": 1}, {"ok": 30}, ANY, None, "accuracy", ["every class within its margin"]),
    (
        {},
        {"ok": 30},
        GateConfig(class_margins={"stain": 0.02}),
        None,
        "",
        [
            "class 'stain' has 60 of the 149 images that its margin of 2 points needs: 89 are missing"
        ],
    ),
    ({"crack": 9}, {"ok": 30}, GateConfig(class_margins={"crack": 1.0}), None, "accuracy", ["old"]),
    ({"crack": 9}, {}, ALONE, None, "floors", ["was not asked about (gate.ways is empty)"]),
    ({"ok": 1}, {"ok": 1}, ANY, Evidence(same_bundle=True), "same", ["it is 'old' itself"]),
    ({"ok": 1}, {"ok": 1}, ANY, EXPORT, "conversion", ["student of 'old' in another export"]),
    ({"ok": 1}, {}, ANY, EXPORT, "", ["accuracy fell by 0.0042 (allowed 0.0000)"]),
    ({"ok": 1}, {}, GateConfig(max_conversion_loss=0.01), EXPORT, "conversion", ["1 newly wrong"]),
]


@pytest.mark.parametrize(("ours", "theirs", "config", "evidence", "way", "said"), CASES)
def test_verdicts(ours, theirs, config, evidence, way, said):
    champion = answered(theirs, name="old") if theirs is not None else None
    verdict = gate(answered(ours), champion, config, evidence)
    assert (verdict.way, verdict.passed) == (way, bool(way)), verdict.sentence
    assert bool(verdict.reasons) is not verdict.passed
    for words in said:
        assert words in verdict.sentence
    assert "\n" not in verdict.sentence


SEEN = ("image-0", "image-1", "image-2")
RULE = Rule("ok", 0.5)
# evidence, config, what the refusal must say; the challenger is shown to be better than the champion
PLANTED = [
    (
        Evidence(certificate="its row 'onnxruntime fp32' is missing"),
        ANY,
        "no valid certificate: its row",
    ),
    (Evidence(seen_by_challenger=SEEN), ANY, "not new to the challenger: 3 of its 240 images"),
    (Evidence(seen_by_champion=SEEN[:1]), ANY, "not new to the champion: 1 of its 240 images"),
    (
        Evidence(cost=Cost(9.0, 1)),
        GateConfig(max_latency_ms=8),
        "latency 9 ms is above its limit 8 ms",
    ),
    (
        Evidence(cost=Cost(9.0, 1), champion_cost=Cost(4.0, 1)),
        ANY,
        "latency 9 ms is 2.25 × the champion's 4 ms (allowed 1.5 ×)",
    ),
    (
        Evidence(cost=Cost(1.0, 3_000_000)),
        GateConfig(max_megabytes=2),
        "size 3 MB is above its limit 2 MB",
    ),
    (
        Evidence(cost=Cost(1.0, 3_000_000), champion_cost=Cost(1.0, 1_000_000)),
        ANY,
        "size 3 MB is 3.00 × the champion's 1 MB (allowed 2 ×)",
    ),
    (
        Evidence(corrupted=(Corrupted("blur", 100, 60, 80, 0.001),)),
        ANY,
        "under blur it recognises 60 of 100 images, the champion 80",
    ),
    (Evidence(), GateConfig(max_ece=0.02), "calibration error 0.0300 is above its limit 0.0200"),
    (
        Evidence(rule=Rule("ok", 0.99), economics=EconomicsConfig(max_escape=0.01)),
        ANY,
        "too many defective parts are accepted: escape 1,000,000 ppm",
    ),
    (
        Evidence(rule=Rule(None), economics=EconomicsConfig(max_escape=0.01)),
        ANY,
        "economics.max_escape cannot be held: no class stands for a good part",
    ),
]


@pytest.mark.parametrize(("evidence", "config", "said"), PLANTED)
def test_each_planted_fault_refuses_alone_with_its_sentence(evidence, config, said):
    better, champion = answered({}), answered({"ok": 20}, name="old")
    assert gate(better, champion, ANY, Evidence()).passed
    refused = gate(better, champion, config, evidence)
    assert not refused.passed
    assert len(refused.reasons) == 1
    assert said in refused.sentence
    assert sum(not row.passed for row in refused.table) == 1


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence(certificate="", seen_by_challenger=(), seen_by_champion=()),
        Evidence(corrupted=(Corrupted("blur", 100, 60, 80, 0.06),)),  # no more than chance
        Evidence(corrupted=(Corrupted("blur", 100, 75, 80, 0.01),)),  # no more than allowed
        Evidence(cost=Cost(1.5, 2000), champion_cost=Cost(1.0, 1000)),
        Evidence(rule=RULE, economics=EconomicsConfig(max_escape=0.05)),
    ],
)
def test_what_stays_inside_its_limits_refuses_nothing(evidence):
    assert gate(answered({}), answered({"ok": 20}, name="old"), ANY, evidence).passed


def test_a_champion_that_nobody_asks_about_may_have_seen_the_gate_set():
    told = Evidence(seen_by_champion=SEEN)
    assert gate(answered({}), answered({"ok": 20}, name="old"), ALONE, told).passed


def test_a_rise_of_calibration_error_refuses_only_when_it_is_more_than_chance():
    champion = answered({"ok": 30}, name="old", sure=0.88)
    unsure = gate(answered({}, sure=0.5), champion, ANY)
    assert "calibration error 0.5000 is" in unsure.sentence
    assert "more than chance" in unsure.sentence
    allowed = GateConfig(max_ece_rise=0.6)
    assert gate(answered({}, sure=0.5), champion, allowed).passed


def test_a_champion_without_a_record_of_its_training_images_is_told_and_not_refused():
    verdict = gate(answered({}), answered({"ok": 20}, name="old"), ANY, Evidence())
    assert verdict.passed
    assert "no record says what the champion was trained on" in verdict.sentence
    assert verdict.notes


def test_what_the_images_cannot_show_of_a_promise_is_told():
    asked = Evidence(rule=RULE, economics=EconomicsConfig(max_escape=0.01), seen_by_champion=())
    verdict = gate(answered({}), None, ANY, asked)
    assert verdict.passed
    assert "1 % escape cannot be shown with 120 defects, it needs 299" in verdict.sentence


def test_a_gate_image_is_seen_when_any_of_its_group_was_trained_on():
    groups = {"a": "part 1", "b": "part 1", "c": "part 2"}
    assert seen(["a", "c", "d"], groups, ["b", "e"]) == ("a",)
    assert seen(["a", "c", "d"], groups, ["d"]) == ("d",)
    assert seen(["a", "c", "d"], groups, []) == ()


def test_views_of_one_thing_prove_no_more_than_one():
    champion = answered({"ok": 6}, name="old")
    assert gate(answered({}), champion, ANY).passed
    one_part = Evidence(groups={f"image-{i}": "part" for i in range(60, 66)}, seen_by_champion=())
    refused = gate(answered({}), champion, ANY, one_part)
    assert "one-sided exact p = 0.500" in refused.sentence
    assert refused.duel.tally.units == 235


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
    champion = answered({"crack": 12}, name="old")
    back = {
        field: tuple(reversed(getattr(champion, field)))
        for field in ("image_ids", "labels", "predictions", "probabilities")
    }
    turned = gate(answered({}), dataclasses.replace(champion, **back), ANY)
    assert turned.passed
    assert turned.duel == gate(answered({}), champion, ANY).duel


@pytest.mark.parametrize("metric", METRICS)
def test_each_floor_bites_alone(metric):
    challenger = answered({"crack": 18, "ok": 6})
    value = value_of(challenger, metric)
    assert gate(challenger, None, GateConfig(**{f"min_{metric}": value})).passed
    refused = gate(challenger, None, GateConfig(**{f"min_{metric}": value + 0.001}))
    assert [row.metric for row in refused.table if not row.passed] == [metric]
    assert refused.reasons[0].startswith(metric)


def test_tables_add_up():
    verdict = gate(answered({"ok": 2}), answered({"ok": 2, "crack": 3}, name="old"), FLOORS)
    assert [row.metric for row in verdict.table[:3]] == list(METRICS)
    assert all(row.difference > 0 for row in verdict.table[:3])
    assert sum(change.support for change in verdict.class_changes) == len(LABELS)
    assert sum(change.change for change in verdict.class_changes) == 3
    assert (verdict.duel.gained, verdict.duel.lost) == (3, 0)


def test_a_verdict_survives_the_disk(tmp_path):
    evidence = Evidence(rule=RULE, cost=Cost(1.0, 1000), certificate="")
    verdict = gate(answered({"ok": 9}), answered({}, name="old"), FLOORS, evidence)
    verdict.save(tmp_path / "gate.json")
    assert GateVerdict.load(tmp_path / "gate.json") == verdict
