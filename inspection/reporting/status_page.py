"""How a line stands, as one offline page: who is champion, what moved, what ran, where it drifts, what is due.

The page holds facts that others gathered; nothing is looked up while it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from deploy.edge.files import write_bytes
from inspection.reporting.blocks import Section, badge, card, table, tile, tiles
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.shell import page, stamp
from inspection.reporting.stream_chart import Judged, stream_chart
from inspection.reporting.top import heading
from inspection.reporting.wording import count, short

KIND = "Line status"
CHAMPION = "champion"
STATES = {
    "completed": "good",
    "done": "good",
    "refused": "warn",
    "running": "idle",
    "stopped": "idle",
    "paused": "idle",
}
"""Colour of a state's badge; whatever is not named here went wrong."""


@dataclass(frozen=True)
class Move:
    """One move of an alias, as the ledger tells it."""

    time: datetime
    alias: str
    before: str
    after: str
    who: str
    reason: str


@dataclass(frozen=True)
class Ran:
    """One run: `sentence` says how it ended."""

    name: str
    pipeline: str
    started: datetime
    status: str
    sentence: str


@dataclass(frozen=True)
class Due:
    """One schedule: its next times, and how its last firing ended (empty before the first)."""

    name: str
    command: str
    cron: str
    zone: str
    following: tuple[datetime, ...]
    last: str
    paused: bool = False


@dataclass(frozen=True)
class Stream:
    """One camera, line or session, or all together: its batches, oldest first.

    `rejected`: of the newest batch, as a share in words; empty where the bundle has no good class.
    """

    name: str
    batches: tuple[Judged, ...]
    rejected: str = ""


@dataclass(frozen=True)
class Status:
    """All that the page shows.

    `figures`: of the champion, each a name, a value and notes. `worries`: what somebody must look at now, one sentence
    each.
    """

    name: str
    created: datetime
    champion: str
    since: datetime | None
    digest: str
    figures: tuple[tuple[str, ...], ...]
    moves: tuple[Move, ...]
    runs: tuple[Ran, ...]
    streams: tuple[Stream, ...]
    due: tuple[Due, ...]
    loop: str = ""
    worries: tuple[str, ...] = ()


def write_status_page(status: Status, target: Path) -> Path:
    """Write the page to `target`, whole or not at all."""
    write_bytes(target, render_status_page(status).encode("utf-8"))
    return target


def render_status_page(status: Status) -> str:
    """The page as text."""
    sections = [_drift(status), _ledger(status), _runs(status), _schedules(status)]
    title = f"{status.name} · Plumbline status"
    return page(title, KIND, status.created, _top(status), sections)


def _top(status: Status) -> Html:
    if status.worries:
        kind, headline = "bad", "Needs a look"
    elif not status.champion:
        kind, headline = "idle", "No champion yet"
    else:
        kind, headline = "good", "In order"
    sentence = " ".join(status.worries) or status.loop or "Nothing asks for attention."
    return heading(status.name, stamp(status.created), kind, headline, sentence, _figures(status))


def _figures(status: Status) -> Html:
    since = f"since {stamp(status.since)}" if status.since else ""
    drifting = [one.name for one in status.streams if one.batches and one.batches[-1].drifted]
    coming = min((due.following[0] for due in status.due if due.following), default=None)
    return tiles(
        [
            tile("Champion", status.champion or "none", since, short(status.digest, 8)),
            *(tile(*figure) for figure in status.figures),
            tile(
                "Streams that drift",
                f"{len(drifting)} of {len(status.streams)}",
                ", ".join(drifting),
            ),
            tile("Next scheduled run", stamp(coming) if coming else "none"),
        ]
    )


def _drift(status: Status) -> Section:
    shown = [one for one in status.streams if one.batches]
    if not shown:
        body = card(
            tag("p", "No batch was judged yet: ", tag("code", "plumbline monitor CONFIG LOG"))
        )
    else:
        body = card(stream_chart([(one.name, one.batches) for one in shown]), _newest(shown))
    above = not status.worries or status.loop in status.worries
    lead = "Each mark is one batch that the monitor judged." if above else status.loop
    return Section("drift", "Drift", "Drift per stream over time", lead, body)


def _newest(streams: Sequence[Stream]) -> Html:
    rows = []
    for one in streams:
        last = one.batches[-1]
        state = badge("drifted", "bad") if last.drifted else badge("steady", "good")
        loud = sum(batch.drifted for batch in one.batches)
        told = last.cause or "–"
        moved = f"{loud} of {len(one.batches)}"
        rows.append((one.name, _when(last.time), state, told, one.rejected or "–", moved))
    head = ("stream", "last batch", "verdict", "likely cause", "rejected", "batches that drifted")
    return table(head, rows, caption="The newest batch of each stream", numeric=frozenset({4, 5}))


def _ledger(status: Status) -> Section:
    reigns = [move for move in status.moves if move.alias == CHAMPION]
    others = [move for move in status.moves if move.alias != CHAMPION]
    told = [card(_moves(reigns, "Moves of the champion"))]
    if others:
        told.append(card(_moves(others, "Moves of other aliases"), title="Other aliases"))
    lead = f"{count(len(status.moves), 'move')} shown; all of them: plumbline history {status.name}"
    return Section("ledger", "Ledger", "Who was champion, and why", lead, join(told))


def _moves(moves: Sequence[Move], caption: str) -> Html:
    if not moves:
        return tag("p", "No move yet.")
    rows = [
        (
            _when(move.time),
            move.alias,
            f"{move.before or 'nothing'} → {move.after or 'nothing'}",
            move.who,
            move.reason,
        )
        for move in moves
    ]
    head = ("when", "alias", "version", "who", "why")
    return table(head, rows, caption=f"{caption}, newest first")


def _runs(status: Status) -> Section:
    rows = [
        (_whole(run.name), run.pipeline, _when(run.started), _state(run.status), run.sentence)
        for run in status.runs
    ]
    head = ("run", "pipeline", "started", "ended", "in a sentence")
    told = table(head, rows, caption="Runs, newest first") if rows else tag("p", "No run yet.")
    return Section("runs", "Runs", "Last runs", "", card(told))


def _schedules(status: Status) -> Section:
    rows = [
        (
            due.name,
            tag("code", due.command),
            f"{due.cron} ({due.zone})",
            badge("paused", "idle") if due.paused else _times(due.following),
            _state(due.last) if due.last else "not yet",
        )
        for due in status.due
    ]
    head = ("schedule", "command", "cron", "next", "last firing")
    missing = tag("p", "Nothing is scheduled: ", tag("code", "plumbline schedule add"))
    told = table(head, rows, caption="Schedules") if rows else missing
    return Section("schedules", "Schedules", "What is due", "", card(told))


def _when(moment: datetime) -> Html:
    return _whole(stamp(moment))


def _whole(text: str) -> Html:
    """In one line, however narrow its column."""
    return tag("span", text, class_="whole")


def _times(following: Sequence[datetime]) -> Html:
    return join([tag("div", _when(moment)) for moment in following]) if following else join(["–"])


def _state(word: str) -> Html:
    return badge(word, STATES.get(word, "bad"))
