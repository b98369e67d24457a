"""The loop's decisions: confirmed or not, whose fault, what is waited for; no order of events breaks a limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inspection.config import LoopConfig
from inspection.evaluation.loop import (
    MONTH,
    BatchJudged,
    Event,
    LabelsCounted,
    LoopState,
    ModelInService,
    TrainingEnded,
    after,
    decide,
    follow,
    replay,
)

START = datetime(2026, 3, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONFIG = LoopConfig(
    confirm=2, window=3, calm=3, new_labels=50, cooldown="48h", trainings_per_month=2
)


def batch(
    hours: float,
    drifted: bool,
    cause: str = "model stale",
    *,
    stream: str = "cam1",
    model: str = "a",
) -> BatchJudged:
    remedy = "clean the lamp" if cause == "light" else "label a sample"
    return BatchJudged(
        START + hours * HOUR, stream, model, drifted, cause if drifted else "", remedy
    )


def labels(hours: float, images: int) -> LabelsCounted:
    return LabelsCounted(START + hours * HOUR, images)


def ended(hours: float, images: int, version: int | None, said: str = "passed.") -> TrainingEnded:
    return TrainingEnded(START + hours * HOUR, images, version, "b" if version else "", said)


ENOUGH: tuple[Event, ...] = (labels(0, 100), labels(1, 160))
DRIFT: tuple[Event, ...] = (batch(2, True), batch(3, True))

CASES: list[tuple[str, tuple[Event, ...], float, str, str]] = [
    ("nothing", (), 0, "watch", "no confirmed drift"),
    ("one alarm", (*ENOUGH, batch(2, True)), 3, "watch", "cam1: single batches drifted"),
    ("two in three", (*ENOUGH, batch(2, True), batch(3, False), batch(4, True)), 5, "train", "160"),
    ("two in four", (*ENOUGH, batch(2, True), batch(3, False), batch(4, False), batch(5, True)), 6, "watch", ""),
    ("on two streams", (*ENOUGH, batch(2, True), batch(3, True, stream="cam2")), 4, "watch", ""),
    ("few labels", (labels(0, 100), labels(1, 120), *DRIFT), 4, "wait", "20 new labelled images of 50"),
    ("never counted", DRIFT, 4, "wait", "0 new labelled images of 50"),
    ("a lamp", (*ENOUGH, batch(2, True, "light"), batch(3, True, "light")), 4, "mend", "clean the lamp"),
    ("calm again", (*ENOUGH, *DRIFT, batch(4, False), batch(5, False), batch(6, False)), 7, "watch", ""),
    ("not calm yet", (*ENOUGH, *DRIFT, batch(4, False), batch(5, False)), 6, "train", ""),
    ("passed", (*ENOUGH, *DRIFT, ended(4, 160, 7)), 5, "wait", "version 7 passed its gate"),
    ("in service", (*ENOUGH, *DRIFT, ended(4, 160, 7), ModelInService(START + 5 * HOUR, "b", 7)), 6, "watch", ""),
    ("refused", (*ENOUGH, *DRIFT, ended(4, 160, None, "recall fell."), labels(5, 300)), 6, "wait", "recall fell."),
    ("cooldown over", (*ENOUGH, *DRIFT, ended(4, 160, None), labels(5, 300)), 53, "train", ""),
    ("another model's batches", (ModelInService(START, "b", 2), *ENOUGH, *DRIFT), 4, "watch", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "hours", "action", "said"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_table(events: tuple[Event, ...], hours: float, action: str, said: str) -> None:
    decision = decide(follow(events, CONFIG), CONFIG, START + hours * HOUR)
    assert decision.action == action, decision.sentence
    assert said in decision.sentence


def test_every_reason_to_wait_is_named() -> None:
    spent = [ended(hours, 160, None, "worse.") for hours in (4, 60)]
    state = follow((*ENOUGH, *DRIFT, *spent), CONFIG)
    said = decide(state, CONFIG, START + 61 * HOUR).sentence
    assert "0 new labelled images of 50" in said
    assert "cooldown until 2026-03-05 18:00" in said
    assert "2 trainings in 30 days, the next on 2026-03-31 10:00" in said
    assert said.endswith("the last one was refused: worse.")


def test_the_cause_named_most_often_decides() -> None:
    told = [batch(2, True, "light"), batch(3, True, "model stale"), batch(4, True, "light")]
    decision = decide(follow((*ENOUGH, *told), CONFIG), CONFIG, START + 5 * HOUR)
    assert (decision.action, decision.streams) == ("mend", ("cam1",))


def test_the_remedy_is_that_of_the_cause_which_is_named() -> None:
    told = [batch(2, True, "light"), batch(3, True, "light"), batch(4, True, "model stale")]
    said = decide(follow((*ENOUGH, *told), CONFIG), CONFIG, START + 5 * HOUR).sentence
    assert "light since" in said
    assert said.endswith("clean the lamp")


def test_a_window_that_can_never_confirm_is_refused() -> None:
    with pytest.raises(ValidationError, match="4 of 3 batches can never drift"):
        LoopConfig(confirm=4, window=3)


def test_a_cause_that_no_drift_has_is_refused() -> None:
    with pytest.raises(ValidationError, match="model stale"):
        LoopConfig.model_validate({"retrain_for": ["modle stale"]})


def test_replay_tells_what_would_have_been_done_once() -> None:
    events = (*ENOUGH, *DRIFT, *(batch(hours, True) for hours in range(4, 10)))
    told = replay(
        events, CONFIG, lambda at, state: [TrainingEnded(at, state.labels, None, "", "worse.")]
    )
    assert [one.decision.action for one in told] == ["watch", "train", "wait"]
    assert told[1].time == START + 3 * HOUR


CAUSES = st.sampled_from(["light", "model stale"])
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("batch"), st.booleans(), CAUSES, st.sampled_from("ab")),
        st.tuples(st.just("labels"), st.integers(0, 60)),
    ),
    max_size=80,
)


@given(EVENTS, st.integers(1, 30))
def test_limits_hold_whatever_happens(kinds: list[tuple[object, ...]], step: int) -> None:
    """Trainings are never closer than the cooldown, never more than the budget, and each had its labels."""
    state, count, begun = LoopState(), 0, list[tuple[datetime, int]]()
    for number, kind in enumerate(kinds):
        now = START + number * step * HOUR
        if kind[0] == "labels":
            assert isinstance(kind[1], int)
            count += kind[1]
            event: Event = LabelsCounted(now, count)
        else:
            event = BatchJudged(now, str(kind[3]), "a", bool(kind[1]), str(kind[2]))
        state = after(state, event, CONFIG)
        if decide(state, CONFIG, now).action == "train":
            begun.append((now, state.labels))
            state = after(state, TrainingEnded(now, state.labels, None, "", "no"), CONFIG)
    for (one, had), (other, has) in pairwise(begun):
        assert other - one >= timedelta(hours=48)
        assert has - had >= CONFIG.new_labels
    for when, _ in begun:
        assert sum(when - MONTH < each <= when for each, _ in begun) <= CONFIG.trainings_per_month


@given(EVENTS)
def test_the_same_events_give_the_same_state(kinds: list[tuple[object, ...]]) -> None:
    """A kill between any two events loses nothing: going on from the fold is the fold."""
    events = [
        labels(n, int(str(kind[1])))
        if kind[0] == "labels"
        else batch(n, bool(kind[1]), str(kind[2]))
        for n, kind in enumerate(kinds)
    ]
    half = len(events) // 2
    state = follow(events[:half], CONFIG)
    for event in events[half:]:
        state = after(state, event, CONFIG)
    assert state == follow(events, CONFIG)
