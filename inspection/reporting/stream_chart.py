"""Batches of several streams along one axis of time: steady ones small, drifted ones large and of another shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from inspection.reporting.markup import Html, tag
from inspection.reporting.svg import Scale, label, mark

WIDTH, ROW, LEFT, RIGHT, FOOT = 760, 30, 140, 18, 34
TICKS = 5
NAME = 20
"""Characters of a stream's name that fit; the whole of it is in the mark's title."""


@dataclass(frozen=True)
class Judged:
    """One batch: when, whether it drifted, and what probably caused it."""

    time: datetime
    drifted: bool
    cause: str = ""


def stream_chart(streams: Sequence[tuple[str, Sequence[Judged]]]) -> Html:
    """One row per stream; every mark says its time and verdict when pointed at."""
    moments = [one.time.timestamp() for _, batches in streams for one in batches]
    across = Scale(min(moments), max(moments), LEFT, WIDTH - RIGHT)
    height = ROW * len(streams) + FOOT
    rows = [
        row
        for number, (name, batches) in enumerate(streams)
        for row in _row(name, batches, across, ROW * number + ROW / 2)
    ]
    loud = sum(one.drifted for _, batches in streams for one in batches)
    said = f"{len(moments)} batches of {len(streams)} streams, {loud} of them drifted"
    return tag(
        "svg",
        tag("title", said),
        *rows,
        *_axis(across, height),
        viewBox=f"0 0 {WIDTH} {height}",
        class_="chart streams",
        role="img",
        aria_label=said,
    )


def _row(name: str, batches: Sequence[Judged], across: Scale, y: float) -> list[Html]:
    shown = name if len(name) <= NAME else f"{name[: NAME - 1]}…"
    line = tag("line", x1=LEFT, y1=y, x2=WIDTH - RIGHT, y2=y, class_="grid")
    marks = [_mark(name, one, across(one.time.timestamp()), y) for one in batches]
    return [line, label(LEFT - 12, y + 4, shown, anchor="end"), *marks]


def _mark(name: str, one: Judged, x: float, y: float) -> Html:
    verdict = f"drifted: {one.cause or 'cause unknown'}" if one.drifted else "steady"
    told = tag("title", f"{name}, {one.time.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {verdict}")
    if one.drifted:
        return mark(3, x, y, 6.5, told, kind="drifted")
    return mark(0, x, y, 3.5, told, kind="steady")


def _axis(across: Scale, height: int) -> list[Html]:
    span = across.high - across.low
    form = _form(span / (TICKS - 1))
    steps = range(TICKS) if span else range(1)
    moments = [across.low + span * step / (TICKS - 1) for step in steps]
    told = {f"{datetime.fromtimestamp(t, UTC):{form}}": t for t in reversed(moments)}
    # The last one ends with the picture, however long it is.
    return [
        label(WIDTH, height - 12, said, anchor="end")
        if t == across.high and span
        else label(across(t), height - 12, said, anchor="middle")
        for said, t in told.items()
    ]


def _form(step: float) -> str:
    """How finely moments so many seconds apart are told, so that no two read the same."""
    if step < 300:
        return "%H:%M:%S"
    if step < 9 * 3600:
        return "%H:%M"
    return "%d %b %H:%M" if step < 24 * 3600 else "%d %b"
