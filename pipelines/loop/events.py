"""All that the loop knows, as events in order of time: the monitor's records, the ledger's champions, its journal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.config import RunConfig
from inspection.evaluation.loop import BatchJudged, Event, LabelsCounted, ModelInService
from inspection.store import Store
from pipelines.loop.journal import read_events, write_event

if TYPE_CHECKING:
    from data_checks.drift_history import BatchRecord
    from deploy.registry.aliases import Standing
    from deploy.registry.history import Reign

ALL = "all"
"""What a stream is called where the log names none."""


def journal_of(store: Store, name: str) -> Path:
    """Where the loop of `name` writes down what it saw and did."""
    return store.loops / f"{name}.jsonl"


def gathered(store: Store, name: str, now: datetime) -> list[Event]:
    """All events up to `now`; of equal times, a model in service comes before what was said of it."""
    from data_checks.drift_history import history

    events: list[Event] = [
        *_in_service(store, name, now),
        *read_events(journal_of(store, name)),
        *map(judged, history(store.drift / "records", name)),
    ]
    return sorted(events, key=lambda event: event.time)


def standing_of(store: Store, name: str) -> Standing:
    """The model's aliases and ledger; empty where nothing was registered yet; looking creates nothing."""
    from deploy.registry.aliases import Standing, stand
    from deploy.registry.ledger import Ledger
    from deploy.registry.tracking import nothing_yet, speaking

    if nothing_yet(store):
        return Standing(name, Ledger(), {})
    with speaking(store):
        return stand(store, name)


def judged(record: BatchRecord) -> BatchJudged:
    """A record of the monitor as the loop reads it."""
    return BatchJudged(
        time=datetime.fromisoformat(record.time),
        stream=record.stream or ALL,
        model=record.bundle,
        drifted=record.drifted,
        cause=record.cause,
        remedy=record.remedy,
    )


def _in_service(store: Store, name: str, now: datetime) -> Iterable[ModelInService]:
    from deploy.registry.aliases import CHAMPION
    from deploy.registry.history import reigns

    def event(reign: Reign) -> Iterable[ModelInService]:
        if reign.holder is not None:
            yield ModelInService(reign.since, reign.holder.digest, reign.holder.version)

    every = reigns(standing_of(store, name).ledger, CHAMPION, now)
    return [told for reign in every for told in event(reign)]


def count_labels(config: RunConfig, store: Store, now: datetime) -> int:
    """How many labelled images there are; written down where it is another number than last time."""
    from inspection.data.ingest import ingest

    index = ingest(config.data, config.checks, store=store, seed=config.images_seed)
    images = int(index.usable().frame["label"].notna().sum())
    journal = journal_of(store, config.name)
    counts = [each.images for each in read_events(journal) if isinstance(each, LabelsCounted)]
    if counts[-1:] != [images]:
        write_event(journal, LabelsCounted(now, images))
    return images
