"""The table of cases behind the gate; the last column is what has to be said."""

from __future__ import annotations

import dataclasses

import pytest

from inspection.config import GateConfig
from inspection.errors import ConfigError
from inspection.evaluation.economics import Rule
from inspection.evaluation.gate import GateVerdict, gate
from inspection.evaluation.gate_evidence import Cost, Evidence
from inspection.evaluation.gate_rows import METRICS, value_of
from inspection.evaluation.head_to_head import check_margins
from tests.unit.gate_material import LABELS, answered

FLOORS = GateConfig(min_accuracy=0.9, min_macro_f1=0.85, min_balanced_accuracy=0.85)
ANY = GateConfig()
ALONE = GateConfig(ways=())
FAST = Evidence(cost=Cost(1.0, 1000), champion_cost=Cost(1.3, 1000), seen_by_champion=())
SMALL = Evidence(cost=Cost(1.0, 1000), champion_cost=Cost(1.0, 1300), seen_by_champion=())
ALIKE = Evidence(cost=Cost(1.0, 1000), champion_cost=Cost(1.1, 1100), seen_by_champion=())
EXPORT = Evidence(same_student=True, seen_by_champion=())


def test_margins_of_classes_that_are_not_there__are_refused_together() -> None:
    check_margins({"crack": 0.1}, LABELS)
    with pytest.raises(ConfigError) as caught:
        check_margins({"crakc": 0.1, "crack": 0.1, "staln": 1.0}, ("crack", "ok", "stain"))
    assert caught.value.faults == (
        "gate.class_margins: no class is called 'crakc'; there are crack, ok, stain",
        "gate.class_margins: no class is called 'staln'; there are crack, ok, stain",
    )


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
    evidence = Evidence(rule=Rule("ok", 0.5), cost=Cost(1.0, 1000), certificate="")
    verdict = gate(answered({"ok": 9}), answered({}, name="old"), FLOORS, evidence)
    verdict.save(tmp_path / "gate.json")
    assert GateVerdict.load(tmp_path / "gate.json") == verdict
