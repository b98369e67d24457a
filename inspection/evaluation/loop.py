"""What the loop does next: watch, tell people what to mend, train a new model, or wait, and for what. Pure.

State is a fold over events in the order they were written; the same events give the same state, after a kill too.

Covered: drift is confirmed by several batches of one stream and ends only after several calm ones; no training before
new labels, cooldown and budget allow it; faults of the rig are no reason to train; a model that waits for its approval
stops the next training; events of another model than the one in service say nothing of it. Not covered: whether new
labels are of the kind that drifted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from inspection.config import LoopConfig
from inspection.durations import seconds_of
from inspection.evaluation.confirming import confirms
from inspection.records import Record

MONTH = timedelta(days=30)
Action = Literal["watch", "mend", "wait", "train"]


@dataclass(frozen=True)
class BatchJudged(Record):
    """The monitor's verdict on one batch of a stream (camera, line …); `model`: digest of the bundle that ran."""

    time: datetime
    stream: str
    model: str
    drifted: bool
    cause: str = ""
    remedy: str = ""
    kind: Literal["batch"] = "batch"


@dataclass(frozen=True)
class LabelsCounted(Record):
    """How many labelled images there were at that time."""

    time: datetime
    images: int
    kind: Literal["labels"] = "labels"


@dataclass(frozen=True)
class TrainingEnded(Record):
    """A training that the loop began; `version` where its model passed the gate, with the gate's sentence."""

    time: datetime
    images: int
    version: int | None
    model: str
    sentence: str
    kind: Literal["training"] = "training"


@dataclass(frozen=True)
class ModelInService(Record):
    """Another model is champion from now on, whoever decided it."""

    time: datetime
    model: str
    version: int
    kind: Literal["service"] = "service"


Event = Annotated[
    BatchJudged | LabelsCounted | TrainingEnded | ModelInService, Field(discriminator="kind")
]


@dataclass(frozen=True)
class StreamState:
    """One stream: whether its last batches drifted (newest last), since when it is confirmed, and why.

    `causes` of the batches that drifted, each with its remedy.
    """

    recent: tuple[bool, ...] = ()
    since: datetime | None = None
    calm: int = 0
    causes: tuple[tuple[str, str], ...] = ()

    @property
    def cause(self) -> str:
        """The cause named most often by the batches that drifted; the newest of equals."""
        named = [cause for cause, _ in reversed(self.causes)]
        return max(named, key=named.count) if named else "unknown"

    @property
    def remedy(self) -> str:
        """The newest remedy of that cause; empty where none was told."""
        told = [remedy for cause, remedy in self.causes if cause == self.cause and remedy]
        return told[-1] if told else ""


@dataclass(frozen=True)
class LoopState:
    """All that a decision depends on."""

    model: str = ""
    streams: Mapping[str, StreamState] = field(default_factory=dict)
    labels: int = 0
    labels_trained: int | None = None
    """Labelled images at the last training; null before the first count."""
    trainings: tuple[datetime, ...] = ()
    waiting: TrainingEnded | None = None
    """The model that passed its gate and is not in service yet."""
    refused: str = ""
    """Why the last training's model did not pass."""


@dataclass(frozen=True)
class LoopDecision(Record):
    """What to do now, in one word and in one sentence; `streams`: where drift is confirmed."""

    action: Action
    sentence: str
    streams: tuple[str, ...] = ()


def follow(events: Iterable[Event], config: LoopConfig) -> LoopState:
    """The state after all events."""
    state = LoopState()
    for event in events:
        state = after(state, event, config)
    return state


def after(state: LoopState, event: Event, config: LoopConfig) -> LoopState:
    """The state after one more event."""
    match event:
        case BatchJudged():
            return _judged(state, event, config)
        case LabelsCounted():
            first = state.labels_trained is None
            known = event.images if first else state.labels_trained
            return replace(state, labels=event.images, labels_trained=known)
        case TrainingEnded():
            passed = event.version is not None
            return replace(
                state,
                trainings=(*state.trainings, event.time),
                labels_trained=event.images,
                labels=max(state.labels, event.images),
                waiting=event if passed else None,
                refused="" if passed else event.sentence,
            )
        case ModelInService():
            if event.model == state.model:
                return state
            # Another model has another reference: what was said of the old one's batches is over.
            return replace(state, model=event.model, streams={}, waiting=None, refused="")


def _judged(state: LoopState, event: BatchJudged, config: LoopConfig) -> LoopState:
    if state.model and event.model != state.model:
        return state
    before = state.streams.get(event.stream, StreamState())
    now = _with_batch(before, event, config)
    return replace(state, model=event.model, streams={**state.streams, event.stream: now})


def _with_batch(before: StreamState, event: BatchJudged, config: LoopConfig) -> StreamState:
    recent = (*before.recent, event.drifted)[-config.window :]
    calm = 0 if event.drifted else before.calm + 1
    since = before.since
    if since is None and confirms(recent, config):
        since = event.time
    if calm >= config.calm:
        # Forgotten as a whole: old alarms must not count towards the next confirmation.
        return StreamState(calm=calm)
    causes = (*before.causes, (event.cause or "unknown", event.remedy))[-config.window :]
    if not event.drifted:
        return replace(before, recent=recent, calm=calm, since=since)
    return StreamState(recent, since, calm, causes)


def decide(state: LoopState, config: LoopConfig, now: datetime) -> LoopDecision:
    """What to do at `now`; every reason to wait is named, not only the first."""
    drifting = {name: one for name, one in state.streams.items() if one.since is not None}
    if state.waiting is not None:
        return _approval(state.waiting, tuple(drifting))
    if not drifting:
        return LoopDecision("watch", f"watching: no confirmed drift{_alarms(state)}")
    told = "; ".join(
        f"{name}: {one.cause} since {one.since:%Y-%m-%d %H:%M}" for name, one in drifting.items()
    )
    names = tuple(drifting)
    if not any(one.cause in config.retrain_for for one in drifting.values()):
        remedies = "; ".join(dict.fromkeys(one.remedy for one in drifting.values() if one.remedy))
        advice = remedies or "mend the rig"
        return LoopDecision(
            "mend", f"drift that a new model would only hide ({told}): {advice}", names
        )
    waits = [*_waits(state, config, now)]
    if waits:
        before = f"; the last one was refused: {state.refused}" if state.refused else ""
        return LoopDecision(
            "wait", f"drift ({told}), no training yet: {'; '.join(waits)}{before}", names
        )
    return LoopDecision(
        "train", f"drift ({told}): training on {state.labels} labelled images", names
    )


def _alarms(state: LoopState) -> str:
    loud = [name for name, one in state.streams.items() if any(one.recent)]
    return f" ({', '.join(loud)}: single batches drifted)" if loud else ""


def _approval(waiting: TrainingEnded, streams: tuple[str, ...]) -> LoopDecision:
    said = f"version {waiting.version} passed its gate: {waiting.sentence}"
    return LoopDecision("wait", f"{said} It waits for `plumbline promote`", streams)


def _waits(state: LoopState, config: LoopConfig, now: datetime) -> Iterator[str]:
    fresh = state.labels - (state.labels_trained or 0)
    if fresh < config.new_labels:
        yield f"{fresh} new labelled images of {config.new_labels}"
    if state.trainings:
        ready = state.trainings[-1] + timedelta(seconds=seconds_of(config.cooldown))
        if now < ready:
            yield f"cooldown until {ready:%Y-%m-%d %H:%M}"
    spent = [each for each in state.trainings if each > now - MONTH]
    if len(spent) >= config.trainings_per_month:
        free = spent[-config.trainings_per_month] + MONTH
        yield f"{len(spent)} trainings in 30 days, the next on {free:%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Replayed(Record):
    """One moment of a replay at which the decision changed."""

    time: datetime
    decision: LoopDecision


def replay(
    events: Iterable[Event],
    config: LoopConfig,
    outcome: Callable[[datetime, LoopState], Iterable[Event]],
) -> list[Replayed]:
    """What the loop would have done and when; `outcome` says what a training begun then would have led to."""
    state, told, last = LoopState(), [], ""
    for event in events:
        state = after(state, event, config)
        decision = decide(state, config, event.time)
        if decision.action != last:
            told.append(Replayed(event.time, decision))
            last = decision.action
        if decision.action == "train":
            for consequence in outcome(event.time, state):
                state = after(state, consequence, config)
    return told
