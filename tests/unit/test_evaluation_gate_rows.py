"""Each row of the gate refuses its own planted fault, alone, with its sentence; within limits it refuses nothing."""

from __future__ import annotations

import pytest

from inspection.config import EconomicsConfig, GateConfig
from inspection.evaluation.economics import Rule
from inspection.evaluation.gate import gate
from inspection.evaluation.gate_evidence import Corrupted, Cost, Evidence, seen
from tests.unit.gate_material import answered

ANY = GateConfig()
ALONE = GateConfig(ways=())
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
