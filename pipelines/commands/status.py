"""`plumbline status`: how a line stands, from ledger, runs, monitor, loop and schedules, as one offline page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.evaluation.loop import decide, follow
from pipelines.commands.target import checked_target
from pipelines.door import load_config
from pipelines.launcher.run_records import RunRecord, all_runs
from pipelines.loop.events import ALL, gathered, standing_of
from pipelines.output import Answer
from pipelines.schedule.places import Places
from pipelines.settings import Settings

if TYPE_CHECKING:
    from deploy.registry.aliases import Standing
    from deploy.registry.ledger import Link
    from inspection.evaluation.economics import Economics
    from inspection.reporting.status_page import Due, Move, Ran, Status, Stream

SHOWN = 20
"""Moves and runs on the page; the commands show all."""
COMING = 3
"""Due times of each schedule."""


def write_status(
    path: Path, changes: list[str], out: Path, *, settings: Settings, now: Callable[[], datetime]
) -> Answer:
    """Gather and write the page."""
    from deploy.registry.measured import champion_economics
    from inspection.reporting.status_page import write_status_page

    target = checked_target(out, ".html")
    config = load_config(path, changes, settings.variables, need_all=False)
    at = now()
    events = gathered(settings.store, config.name, at)
    decision = decide(follow(events, config.loop), config.loop, at)
    economics = champion_economics(settings.store, config.name)
    status = _status(
        config.name, decision.sentence, decision.action == "mend", economics, settings, at
    )
    write_status_page(status, target)
    return Answer(
        document={
            "page": str(target.resolve()),
            "champion": status.champion,
            "economics": dataclasses.asdict(economics) if economics else None,
            "worries": list(status.worries),
            "loop": vars(decision),
        },
        lines=[
            f"Champion  {status.champion or 'none yet'}",
            *([f"Decides   {economics.sentence}"] if economics else []),
            *(f"Worry     {sentence}" for sentence in status.worries),
            f"Loop      {decision.sentence}",
            f"Page      {target}",
        ],
        next=[f"plumbline history {config.name}"],
    )


def _status(
    name: str,
    loop: str,
    mend: bool,
    economics: Economics | None,
    settings: Settings,
    at: datetime,
) -> Status:
    from deploy.registry.aliases import CHAMPION
    from deploy.registry.history import reigns
    from inspection.reporting.decision_figures import decision_figures
    from inspection.reporting.status_page import Status

    standing = standing_of(settings.store, name)
    holder = standing.holders.get(CHAMPION)
    every = reigns(standing.ledger, CHAMPION, at)
    return Status(
        name=name,
        created=at.astimezone(),
        champion=f"version {holder.version}" if holder else "",
        since=every[-1].since.astimezone() if holder else None,
        digest=holder.digest if holder else "",
        figures=decision_figures(economics) if economics else (),
        moves=tuple(_moves(standing.ledger.links[-SHOWN:][::-1])),
        runs=tuple(_runs(name, settings)),
        streams=tuple(_streams(name, settings)),
        due=tuple(_due(settings, at)),
        loop=loop,
        worries=(*_worries(standing), *([loop] if mend else [])),
    )


def _worries(standing: Standing) -> Iterable[str]:
    yield from (f"{sentence}." for sentence in standing.stray_sentences)
    yield from (f"{finding.sentence}." for finding in standing.ledger.unknown)


def _moves(links: Iterable[Link]) -> Iterable[Move]:
    from inspection.reporting.status_page import Move

    for link in links:
        entry = link.entry
        for alias in sorted({*entry.before, *entry.after}):
            before, after = entry.before.get(alias), entry.after.get(alias)
            if before != after:
                yield Move(
                    datetime.fromisoformat(entry.time).astimezone(),
                    alias,
                    str(before.version) if before else "",
                    str(after.version) if after else "",
                    entry.who,
                    entry.reason,
                )


def _runs(name: str, settings: Settings) -> Iterable[Ran]:
    from inspection.reporting.status_page import Ran

    own = [record for record in all_runs(settings.store) if record.config == name]
    for record in own[-SHOWN:][::-1]:
        started = record.started.astimezone()
        yield Ran(record.name, record.pipeline, started, record.status, _said(record))


def _said(record: RunRecord) -> str:
    """Of a run that ended well: what the watch found, or what the gate said."""
    gate = record.made.get("gate") or {}
    return str(record.sentence or record.made.get("sentence") or gate.get("sentence") or "")


def _streams(name: str, settings: Settings) -> Iterable[Stream]:
    from data_checks.drift_history import history
    from inspection.reporting.status_page import Stream
    from inspection.reporting.stream_chart import Judged

    records = history(settings.store.drift / "records", name)
    for stream in sorted({record.stream for record in records}):
        own = [record for record in records if record.stream == stream]
        batches = tuple(
            Judged(datetime.fromisoformat(each.time), each.drifted, each.cause) for each in own
        )
        decided = own[-1].decided
        rejected = f"{decided.rejected.batch.value * 100:.1f} %" if decided else ""
        yield Stream(stream or ALL, batches, rejected)


def _due(settings: Settings, at: datetime) -> Iterable[Due]:
    from inspection.reporting.status_page import Due

    book = Places(settings.store).book
    for entry in book.entries():
        schedule, last = entry.schedule, book.history(1, entry.schedule.name)
        coming = () if entry.paused else islice(schedule.times.after(at), COMING)
        yield Due(
            name=schedule.name,
            command=f"plumbline {' '.join(schedule.command)}",
            cron=schedule.cron,
            zone=schedule.zone,
            following=tuple(due.at.astimezone(schedule.times.zone) for due in coming),
            last=last[-1].status if last else "",
            paused=entry.paused,
        )
