"""The decision as a table: its last column is what happens to the part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.edge.decide import decide
from deploy.edge.errors import BundleError, EngineError
from deploy.edge.spec import Decision

CLASSES = ("crack", "ok", "scratch")
WITH_OK = Decision(ok_class="ok", reject_at=0.3, review_below=0.5)
ALONE = Decision(review_below=0.5)
BAND = Decision(ok_class="ok", reject_at=0.6, accept_below=0.25)


@pytest.mark.parametrize(
    ("probabilities", "decision", "label", "outcome"),
    [
        ((0.05, 0.90, 0.05), WITH_OK, "ok", "accept"),
        ((0.10, 0.75, 0.15), WITH_OK, "ok", "accept"),  # 0.25 is below 0.3
        ((0.15, 0.65, 0.20), WITH_OK, "ok", "reject"),  # the label says ok, the risk does not
        ((0.90, 0.05, 0.05), WITH_OK, "crack", "reject"),
        ((0.40, 0.45, 0.15), WITH_OK, "ok", "review"),  # doubt goes first
        ((0.45, 0.10, 0.45), WITH_OK, "crack", "review"),
        ((0.25, 0.50, 0.25), Decision(ok_class="ok", reject_at=0.5), "ok", "reject"),  # >=
        ((0.30, 0.35, 0.35), Decision(ok_class="ok", reject_at=1.0), "ok", "accept"),
        ((1.00, 0.00, 0.00), Decision(ok_class="ok", reject_at=1.0), "crack", "reject"),
        ((0.05, 0.90, 0.05), BAND, "ok", "accept"),
        ((0.125, 0.75, 0.125), BAND, "ok", "review"),  # 0.25 is not below 0.25
        ((0.30, 0.45, 0.25), BAND, "ok", "review"),
        ((0.50, 0.40, 0.10), BAND, "crack", "reject"),
        ((0.90, 0.05, 0.05), ALONE, "crack", "classified"),
        ((0.05, 0.90, 0.05), ALONE, "ok", "classified"),
        ((0.40, 0.30, 0.30), ALONE, "crack", "review"),
        ((0.50, 0.25, 0.25), ALONE, "crack", "classified"),  # at the limit is not below it
    ],
)
def test_decide(
    probabilities: tuple[float, ...], decision: Decision, label: str, outcome: str
) -> None:
    verdict = decide(np.array(probabilities, np.float64), CLASSES, decision)
    assert (verdict.label, verdict.outcome) == (label, outcome)
    assert verdict.confidence == max(probabilities)
    if decision.ok_class:
        assert verdict.p_defect == pytest.approx(1 - probabilities[1])
    else:
        assert verdict.p_defect is None


@pytest.mark.parametrize("bad", [[0.5, 0.5], [[0.2, 0.3, 0.5]], [0.5, np.nan, 0.5], [0, 1, np.inf]])
def test_impossible_answers__are_the_engines_fault(bad: list[float]) -> None:
    with pytest.raises(EngineError):
        decide(np.array(bad), CLASSES, WITH_OK)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reject_at": 1.1},
        {"reject_at": -0.1},
        {"review_below": 2.0},
        {"reject_at": "0.5"},
        {"accept_below": "no"},
    ],
)
def test_impossible_decisions__are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BundleError, match="must lie in"):
        Decision(ok_class="ok", **wrong)


def test_a_band_that_is_upside_down__is_refused() -> None:
    with pytest.raises(BundleError, match=r"accept_below 0.7 lies above reject_at 0.5"):
        Decision(ok_class="ok", reject_at=0.5, accept_below=0.7)


@given(
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_stricter_rule__never_accepts_more(
    raw: list[float], reject_at: float, stricter: float, review_below: float
) -> None:
    low, high = sorted((reject_at, stricter))
    probabilities = np.array(raw) / sum(raw)
    strict = decide(probabilities, CLASSES, Decision("ok", low, review_below))
    loose = decide(probabilities, CLASSES, Decision("ok", high, review_below))
    assert not (strict.outcome == "accept" and loose.outcome != "accept")
