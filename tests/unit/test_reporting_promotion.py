"""The gate's chapter says every question, every class and what decisions cost, or that it cannot be told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from inspection.config import EconomicsConfig, GateConfig
from inspection.evaluation.economics import NO_OK_CLASS, Rule
from inspection.evaluation.gate import GateVerdict, gate
from inspection.evaluation.gate_evidence import Corrupted, Cost, Evidence
from inspection.evaluation.metrics import Evaluation, evaluate
from inspection.reporting.chapters import promotion
from inspection.reporting.run_report import RunReport
from tests.unit.reporting_audit import audit
from tests.unit.small_report_material import small_run

CLASSES = ("crack", "ok")
LABELS = ["crack"] * 40 + ["ok"] * 60


def answered(name: str, wrong: range) -> Evaluation:
    suspicion = np.array([0.97 if label == "crack" else 0.03 for label in LABELS])
    suspicion[list(wrong)] = 1 - suspicion[list(wrong)]
    table = np.stack([suspicion, 1 - suspicion], axis=1)
    ids = [f"image-{i}" for i in range(len(LABELS))]
    return evaluate(name, LABELS, table, CLASSES, image_ids=ids, test_digest="d" * 64)


EVIDENCE = Evidence(
    cost=Cost(1.5, 900_000),
    champion_cost=Cost(2.0, 1_000_000),
    corrupted=(Corrupted("blur", 50, 40, 45, 0.1),),
    certificate="",
    seen_by_challenger=(),
    seen_by_champion=None,
    rule=Rule("ok", 0.5),
    champion_rule=Rule("ok", 0.5),
    economics=EconomicsConfig(max_escape=0.01, defect_rate=0.002),
)


def judged(evidence: Evidence, wrong: range = range(2)) -> GateVerdict:
    champion = answered("old", range(35, 60))
    return gate(answered("new", wrong), champion, GateConfig(), evidence)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    return small_run(tmp_path_factory.mktemp("run"))


def chapter(run: RunReport, verdict: GateVerdict) -> str:
    section = promotion.gate(dataclasses.replace(run, gate=verdict))
    assert section is not None
    return str(section.body)


def test_every_row_and_class_is_there_with_its_answer(run: RunReport) -> None:
    verdict = judged(EVIDENCE)
    text = audit(chapter(run, verdict)).text
    for row in verdict.table:
        assert (row.asked or "nothing") in text
    for words in ("latency", "1.5 ms", "0.9 MB", "blur", "certificate", "gate images seen by the"):
        assert words in text
    for change in verdict.class_changes:
        assert f"{change.p_value:.3f}" in text
    assert "no record says what the champion was trained on" in text


def test_a_refusal_gives_every_reason_and_what_is_missing(run: RunReport) -> None:
    verdict = judged(dataclasses.replace(EVIDENCE, certificate="it is missing"), range(6))
    assert len(verdict.reasons) >= 2
    text = audit(chapter(run, verdict)).text
    for reason in verdict.reasons:
        assert reason in text
    assert "images missing" in text


def test_what_decisions_cost_is_told_with_bounds_and_drawn(run: RunReport) -> None:
    verdict = judged(EVIDENCE)
    assert verdict.economics is not None
    body = chapter(run, verdict)
    text = audit(body).text
    assert f"{verdict.economics.escape_ppm[0]:,.0f} ppm" in text
    assert "2 of 40 defects" in text
    assert "per million parts" in text
    assert "Cost per part by threshold" in body
    assert "The champion: escape" in text


def test_a_set_without_a_good_class_says_that_it_has_none_of_it(run: RunReport) -> None:
    body = chapter(run, judged(dataclasses.replace(EVIDENCE, rule=Rule(None))))
    assert NO_OK_CLASS in audit(body).text


def test_a_waived_class_is_called_so(run: RunReport, tmp_path: Path) -> None:
    waived = GateConfig(class_margins={"crack": 1.0})
    champion = answered("old", range(35, 60))
    verdict = gate(answered("new", range(2)), champion, waived, EVIDENCE)
    assert "waived" in audit(chapter(run, verdict)).text
