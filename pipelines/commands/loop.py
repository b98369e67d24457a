"""`plumbline loop step | show | simulate`: monitor, decide, train; a person has the last word unless told not to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from inspection.config import RunConfig
from inspection.errors import Interrupted, UserError
from inspection.evaluation.loop import (
    Event,
    LabelsCounted,
    LoopDecision,
    LoopState,
    ModelInService,
    Replayed,
    TrainingEnded,
    decide,
    follow,
    replay,
)
from pipelines.door import load_config
from pipelines.faults import as_ours, sentence_of
from pipelines.launcher.lock import exclusive
from pipelines.loop.events import count_labels, gathered, journal_of
from pipelines.loop.journal import write_event
from pipelines.output import Answer, Table
from pipelines.settings import Settings

APPROVE = "gate.promotion=human"


def step(
    path: Path,
    changes: Sequence[str],
    log: Path,
    *,
    settings: Settings,
    now: Callable[[], datetime],
) -> Answer:
    """Judge the log's newest batches, decide, and train where that is what the loop decided; one step at a time."""
    from pipelines.commands.monitor import monitor_log

    config = load_config(path, changes, settings.variables)
    with exclusive(journal_of(settings.store, config.name).with_suffix(".lock")):
        seen = monitor_log(path, changes, log, None, settings=settings, now=now)
        count_labels(config, settings.store, now())
        decision = _decided(config, settings, now())
        _say(f"loop: {decision.action}: {decision.sentence}")
        trained = (
            _train(path, changes, config, settings, now) if decision.action == "train" else None
        )
        after = _decided(config, settings, now())
    return _answer(config, seen, decision, after, trained)


def _train(
    path: Path,
    changes: Sequence[str],
    config: RunConfig,
    settings: Settings,
    now: Callable[[], datetime],
) -> Answer:
    """The train pipeline on the images as they are now. However it ends, cooldown and budget know of it."""
    from pipelines.commands.run import run_config

    held = [APPROVE] if config.loop.approval == "human" else []
    images = count_labels(config, settings.store, now())
    try:
        answer = run_config(path, [*changes, *held], settings=settings, fresh=False, now=now)
    # Whatever broke it: written down, or the next step would train again at once, and the one after it.
    except Exception as error:
        if not isinstance(as_ours(error), Interrupted):
            said = f"the training failed: {sentence_of(error)}"
            write_event(
                journal_of(settings.store, config.name),
                TrainingEnded(now(), images, None, "", said),
            )
        raise
    made = answer.document
    passed = made["gate"]["passed"]
    ended = TrainingEnded(
        time=now(),
        images=images,
        version=made["version"] if passed else None,
        model=made["digest"] if passed else "",
        sentence=made["gate"]["sentence"],
    )
    write_event(journal_of(settings.store, config.name), ended)
    return answer


def _decided(config: RunConfig, settings: Settings, at: datetime) -> LoopDecision:
    return decide(follow(gathered(settings.store, config.name, at), config.loop), config.loop, at)


def _answer(
    config: RunConfig,
    seen: Answer,
    decision: LoopDecision,
    after: LoopDecision,
    trained: Answer | None,
) -> Answer:
    waiting = trained is not None and trained.document["gate"]["passed"]
    version = trained.document["version"] if waiting and trained else None
    lines = [seen.lines[0], f"Loop      {decision.action}: {decision.sentence}"]
    if trained is not None:
        lines += [
            f"Gate      {trained.document['gate']['sentence']}",
            f"Now       {after.sentence}",
        ]
    held = config.loop.approval == "human" and version is not None
    return Answer(
        document={
            "decision": vars(decision),
            "after": vars(after),
            "monitor": seen.document,
            "training": trained.document if trained else None,
        },
        lines=lines,
        next=[f"plumbline promote {config.name} {version} --reason TEXT"]
        if held
        else ["plumbline loop show CONFIG"],
        exit_code=trained.exit_code if trained else 0,
    )


def show(
    path: Path, changes: Sequence[str], *, settings: Settings, now: Callable[[], datetime]
) -> Answer:
    """What the loop would do now, and every stream it watches; nothing is run or written."""
    config = load_config(path, changes, settings.variables, need_all=False)
    events = gathered(settings.store, config.name, now())
    state = follow(events, config.loop)
    decision = decide(state, config.loop, now())
    rows = [
        (
            name,
            "drifts" if one.since else "alarm" if any(one.recent) else "steady",
            f"{one.since:%Y-%m-%d %H:%M}" if one.since else "",
            one.cause if one.causes else "",
        )
        for name, one in sorted(state.streams.items())
    ]
    return Answer(
        document={"decision": vars(decision), "events": len(events), "labels": state.labels},
        table=Table(("stream", "state", "since", "likely cause"), rows) if rows else None,
        lines=[f"Loop      {decision.action}: {decision.sentence}"],
        next=[f"plumbline loop step {path} LOG"],
    )


def simulate(
    path: Path,
    changes: Sequence[str],
    logs: Sequence[Path],
    *,
    labels_per_day: float,
    passes: bool,
    settings: Settings,
    now: Callable[[], datetime],
) -> Answer:
    """What the loop would have done on past logs (none given: on what the monitor recorded), and when."""
    config = load_config(path, changes, settings.variables, need_all=False)
    events = _past(config, logs, settings, now())
    if not events:
        raise UserError(
            f"nothing to replay: no batch of '{config.name}' was judged yet; give a log, or run `plumbline monitor`"
        )
    known = _with_labels(events, labels_per_day)
    told = replay(known, config.loop, lambda at, state: _outcome(at, state, passes=passes))
    trainings = sum(one.decision.action == "train" for one in told)
    assumed = "passes its gate and is approved at once" if passes else "is refused by its gate"
    return Answer(
        document={"decisions": [_document(one) for one in told], "trainings": trainings},
        table=Table(
            ("when", "decision", "why"),
            [
                (f"{one.time:%Y-%m-%d %H:%M}", one.decision.action, one.decision.sentence)
                for one in told
            ],
        ),
        lines=[
            f"Replayed  {len(events)} events; {trainings} trainings, if each model {assumed} and "
            f"{labels_per_day:g} images a day are labelled"
        ],
        next=[f"plumbline loop show {path}"],
    )


def _past(
    config: RunConfig, logs: Sequence[Path], settings: Settings, now: datetime
) -> list[Event]:
    if not logs:
        kept = gathered(settings.store, config.name, now)
        return [event for event in kept if not isinstance(event, LabelsCounted | TrainingEnded)]
    from pipelines.loop.past import judged_logs

    return list(judged_logs(config, logs, settings.store))


def _with_labels(events: Sequence[Event], per_day: float) -> list[Event]:
    """The events, each with the count of labels that `per_day` would have made by then."""
    start, known = events[0].time, list[Event]()
    for event in events:
        days = (event.time - start).total_seconds() / 86_400
        known += [LabelsCounted(event.time, round(days * per_day)), event]
    return known


def _outcome(at: datetime, state: LoopState, *, passes: bool) -> Iterable[Event]:
    """A training that ends at once; its model keeps the digest, so that the log's later batches still count."""
    if not passes:
        return [TrainingEnded(at, state.labels, None, "", "assumed")]
    told = TrainingEnded(at, state.labels, 0, "retrained", "assumed")
    return [told, ModelInService(at, "retrained", 0), ModelInService(at, state.model, 0)]


def _document(one: Replayed) -> dict[str, Any]:
    return {"time": one.time.isoformat(), **vars(one.decision)}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
