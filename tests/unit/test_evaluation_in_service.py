"""What a line in service decides, beside the reference: counts, intervals, words, and what must be wrong at least."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binomtest

from inspection.config import EconomicsConfig
from inspection.evaluation.economics import Rule
from inspection.evaluation.in_service import InService, in_service

CLASSES = ("dent", "ok")
RULE = Rule("ok", reject_at=0.7, accept_below=0.3)
PLAIN = EconomicsConfig()
ACCEPT, REVIEW, REJECT = 0.1, 0.5, 0.9


def parts(accepted: int, rejected: int, reviewed: int = 0) -> npt.NDArray[np.float32]:
    """Probabilities (N, 2) that the rule decides so."""
    defect = np.repeat([ACCEPT, REJECT, REVIEW], [accepted, rejected, reviewed])
    return np.stack([defect, 1 - defect], axis=1).astype(np.float32)


REFERENCE = parts(310, 10)


def found(
    batch: npt.NDArray[np.float32], config: EconomicsConfig = PLAIN, rule: Rule = RULE
) -> InService:
    told = in_service(batch, REFERENCE, CLASSES, rule, config)
    assert told is not None
    return told


def test_each_outcome_is_counted_on_both_sides_with_exact_intervals() -> None:
    told = found(parts(180, 15, 5))

    assert [each.batch.hits for each in told.outcomes] == [180, 15, 5]
    assert [each.reference.hits for each in told.outcomes] == [310, 10, 0]
    exact = binomtest(15, 200).proportion_ci(method="exact")
    assert (told.rejected.batch.low, told.rejected.batch.high) == pytest.approx(exact)
    assert InService.from_json(told.to_json()) == told


def test_a_line_reads_what_was_rejected_and_what_the_reference_has() -> None:
    assert found(parts(185, 15)).sentence == (
        "rejected 7.5 % (4.3 to 12.1) of 200, on the reference 3.1 %"
    )
    assert found(parts(180, 15, 5)).sentence.endswith(
        "; reviewed 2.5 % (0.8 to 5.7) of 200, on the reference 0.0 %"
    )


@pytest.mark.parametrize(("rejected", "moved"), [(40, "more"), (15, ""), (6, ""), (0, "")])
def test_clearly_more_is_said_only_where_the_intervals_lie_apart(rejected: int, moved: str) -> None:
    told = found(parts(200 - rejected, rejected))
    assert told.rejected.moved == moved
    assert ("clearly more" in told.sentence) is (moved == "more")


def test_a_line_that_stopped_rejecting_is_told_too() -> None:
    told = found(parts(2000, 0))
    assert told.rejected.moved == "less"
    assert "clearly less" in told.sentence


@pytest.mark.parametrize("rule", [Rule(None), Rule("good")])
def test_without_a_good_class_there_is_nothing_to_tell(rule: Rule) -> None:
    assert in_service(parts(9, 1), REFERENCE, CLASSES, rule, PLAIN) is None


def test_more_rejects_than_the_line_has_defects_are_good_parts_and_cost() -> None:
    config = EconomicsConfig(defect_rate=0.01, overkill_cost=2.0, review_cost=0.5)
    told = found(parts(150, 40, 10), config)

    assert told.least is not None
    low = binomtest(40, 200).proportion_ci(method="exact").low
    seen = binomtest(10, 200).proportion_ci(method="exact").low
    assert told.least.overkill == pytest.approx(low - 0.01)
    assert told.least.escape == 0.0
    assert told.least.cost == pytest.approx(2.0 * (low - 0.01) + 0.5 * seen)
    assert "with 1 % defective parts on the line at least 14 % of all parts are good" in (
        told.sentence
    )
    assert "per part or more" in told.sentence


def test_fewer_rejects_than_the_line_has_defects_let_some_escape() -> None:
    told = found(parts(1000, 0), EconomicsConfig(defect_rate=0.05, escape_cost=100.0))

    assert told.least is not None
    low = binomtest(1000, 1000).proportion_ci(method="exact").low
    assert told.least.escape == pytest.approx(low - 0.95)
    assert told.least.cost == pytest.approx(100.0 * (low - 0.95))
    assert "defective and accepted" in told.sentence


def test_a_line_that_rejects_as_many_as_it_has_defects_need_not_be_wrong() -> None:
    told = found(parts(190, 10), EconomicsConfig(defect_rate=0.05))
    assert told.least is not None
    assert (told.least.overkill, told.least.escape, told.least.sentence) == (0.0, 0.0, "")
    assert "which costs" not in told.sentence


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.6])
def test_what_is_told_at_least_is_rarely_more_than_there_is(rate: float) -> None:
    """2,000 batches of a line whose wrong decisions are known: each bound fails at most once in forty."""
    generator = np.random.default_rng(8)
    config = EconomicsConfig(defect_rate=rate)
    escape, overkill = 0.1, 0.15
    accepted_share = rate * escape + (1 - rate) * (1 - overkill)
    wrong = 0
    drawn = generator.binomial(300, accepted_share, 2000)
    for accepted, times in zip(*np.unique(drawn, return_counts=True), strict=True):
        least = found(parts(int(accepted), 300 - int(accepted)), config).least
        assert least is not None
        if least.overkill > (1 - rate) * overkill or least.escape > rate * escape:
            wrong += int(times)
    assert wrong <= 2 * 0.025 * 2000
