"""One rule for a confirmed drift: the monitor's records and the loop say it of the same batches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.config import LoopConfig
from inspection.evaluation.confirming import confirms, rule_words
from inspection.evaluation.loop import BatchJudged, LoopState, after

START = datetime(2026, 3, 1, 6, tzinfo=UTC)
USUAL = LoopConfig()


@pytest.mark.parametrize(
    ("alarms", "expected"),
    [
        ((), False),
        ((True,), False),
        ((True, True), True),
        ((True, False, True), True),
        ((False, True, True), True),
        ((True, True, False), True),
        ((True, False, False, True), False),
        ((True, True, False, False), False),
        ((False, False, False), False),
    ],
)
def test_two_of_the_last_three_confirm_where_nothing_else_is_said(
    alarms: tuple[bool, ...], expected: bool
) -> None:
    assert confirms(alarms, USUAL) is expected


@pytest.mark.parametrize(
    ("rule", "alarms", "expected"),
    [
        (LoopConfig(confirm=1, window=1), (False, True), True),
        (LoopConfig(confirm=1, window=1), (True, False), False),
        (LoopConfig(confirm=3, window=5), (True, False, True, False, True), True),
        (LoopConfig(confirm=3, window=5), (True, True, False, False, True), True),
        (LoopConfig(confirm=3, window=5), (True, True, True, False, False, False), False),
        (LoopConfig(confirm=2, window=5, calm=2), (True, False, False, True), False),
        (LoopConfig(confirm=2, window=5, calm=2), (True, False, False, True, True), True),
    ],
)
def test_another_rule_and_an_alarm_from_before_a_calm(
    rule: LoopConfig, alarms: tuple[bool, ...], expected: bool
) -> None:
    assert confirms(alarms, rule) is expected


@given(
    alarms=st.lists(st.booleans(), max_size=25),
    window=st.integers(1, 6),
    confirm=st.integers(1, 6),
    calm=st.integers(1, 4),
)
def test_the_loop_begins_a_drift_exactly_when_a_record_confirms_it(
    alarms: list[bool], window: int, confirm: int, calm: int
) -> None:
    rule = LoopConfig(confirm=min(confirm, window), window=window, calm=calm)
    state = LoopState()
    for number, alarm in enumerate(alarms, 1):
        before = state.streams.get("cam1")
        state = after(state, BatchJudged(START + timedelta(hours=number), "cam1", "a", alarm), rule)
        drifting = state.streams["cam1"].since is not None
        confirmed = confirms(alarms[:number], rule)
        if before is None or before.since is None:
            assert drifting == confirmed
        # A drift goes on until the calm; whatever the records still confirm is one of the loop's.
        assert drifting or not confirmed


def test_the_rule_in_words() -> None:
    assert rule_words(2, 3) == "2 of the last 3 batches"
    assert rule_words(1, 1) == "one batch alone"
