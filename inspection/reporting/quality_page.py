"""How well the images were taken, as one offline page: what stands out, with pictures, and each group's distributions.

Covered: file, camera and session names are shown as data, never as markup; long lists are cut and say so. Not covered:
judging; the report that is handed in has done that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from deploy.edge.files import write_bytes
from inspection.data.index import ImageIndex
from inspection.reporting.blocks import (
    Section,
    badge,
    card,
    columns,
    filters,
    gallery,
    path,
    shot,
    table,
    tile,
    tiles,
)
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.shell import page, stamp
from inspection.reporting.svg import Scale, label, mark
from inspection.reporting.thumbnails import Pictures
from inspection.reporting.top import heading
from inspection.reporting.wording import count, number, percent, plain

KIND = "Image quality"
SHOTS = 120
"""Pictures of images that stand out; the report as JSON has all."""
GROUPS = 24
"""Groups per chart, the largest first."""
UNREADABLE_NAMED = 20
NAME_LENGTH = 20
SHARE, LEAST_SHARE = "of the pixels", 0.05
"""Charts of a share reach at least so far: less would blow up nothing to a finding."""
LEFT, WIDTH, ROW = 150.0, 560.0, 24.0
"""Pixels: the names' column, the chart's width, the height of a group."""


class Summary(Protocol):
    """One measure over a group; `quantiles`: least, 5 %, 25 %, median, 75 %, 95 %, most."""

    @property
    def measure(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def quantiles(self) -> Sequence[float]: ...


class Group(Protocol):
    """All images, or those of one camera or session (`kind`)."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def images(self) -> int: ...
    @property
    def measures(self) -> Sequence[Summary]: ...


class Odd(Protocol):
    """One image that stands out in one measure, and the sentence about it."""

    @property
    def path(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def measure(self) -> str: ...
    @property
    def sentence(self) -> str: ...


class Quality(Protocol):
    """What was measured on a set of images."""

    @property
    def images(self) -> int: ...
    @property
    def groups(self) -> Sequence[Group]: ...
    @property
    def outliers(self) -> Sequence[Odd]: ...
    @property
    def unreadable(self) -> Sequence[str]: ...
    @property
    def flagged(self) -> Sequence[str]: ...
    @property
    def sentence(self) -> str: ...


def write_quality_page(
    report: Quality, index: ImageIndex, target: Path, *, created: datetime, name: str = ""
) -> Path:
    """Write the page to `target`, whole or not at all; `name` is its title, else the folder of the images."""
    document = render_quality_page(report, index, created=created, name=name)
    write_bytes(target, document.encode("utf-8"))
    return target


def render_quality_page(
    report: Quality, index: ImageIndex, *, created: datetime, name: str = ""
) -> str:
    """The page as text."""
    title = name or index.root.name or "images"
    odd = len(report.flagged)
    kind, headline = ("idle", f"{count(odd, 'image')} to look at") if odd else ("good", "Even")
    top = heading(title, stamp(created), kind, headline, report.sentence, _figures(report))
    sections = [_outliers(report, Pictures(index))]
    if report.groups:
        sections += [_distributions(report.groups), _medians(report.groups)]
    if report.unreadable:
        sections.append(_unreadable(report.unreadable))
    return page(f"{title} · Plumbline image quality", KIND, created, top, sections)


def _figures(report: Quality) -> Html:
    kinds = Counter(group.kind for group in report.groups)
    odd, share = len(report.flagged), len(report.flagged) / max(1, report.images)
    return tiles(
        [
            tile("Images measured", f"{report.images:,}"),
            tile("Stand out", f"{odd:,}", f"{percent(share)} of the images"),
            tile("Cameras", f"{kinds['camera']:,}" if kinds["camera"] else "not stated"),
            tile("Sessions", f"{kinds['session']:,}" if kinds["session"] else "not stated"),
        ]
    )


def _outliers(report: Quality, pictures: Pictures) -> Section:
    if not report.outliers:
        lead = "Every image is like the others of its camera and session."
        return Section("outliers", "Stand out", "Images that stand out", lead, join([]))
    counts = Counter(odd.measure for odd in report.outliers)
    options = [(name, f"{plain(name)} ({n})") for name, n in counts.most_common()]
    chosen = _fairly(report.outliers)
    shots = [
        shot(
            pictures.of(odd.path),
            f"{odd.path}: {plain(odd.measure)}",
            badge(plain(odd.measure), "warn"),
            path(odd.path),
            tag("p", odd.sentence),
            measure=odd.measure,
        )
        for odd in chosen
    ]
    left = len(report.outliers) - len(shots)
    note = f"{len(shots)} shown, every measure among them; {left:,} more in the report." * (
        left > 0
    )
    body = card(
        filters("measure", options, label="Show one measure"),
        gallery(shots, label="Images that stand out", kind="told"),
        note=note,
    )
    lead = (
        "Held against the images of their own camera and session. A warning, not a verdict: look, and set "
        "aside what is no longer made that way."
    )
    return Section("outliers", "Stand out", "Images that stand out", lead, body)


def _fairly(outliers: Sequence[Odd]) -> list[Odd]:
    """At most `SHOTS`, taking turns between measures so that the rare one is not drowned."""
    turns: Counter[str] = Counter()
    ordered = []
    for odd in outliers:
        turns[odd.measure] += 1
        ordered.append((turns[odd.measure], odd.measure, odd.path, odd))
    chosen = sorted(ordered, key=lambda row: row[:3])[:SHOTS]
    return [row[3] for row in sorted(chosen, key=lambda row: row[1:3])]


def _distributions(groups: Sequence[Group]) -> Section:
    shown = _largest(groups)
    left = len(groups) - len(shown)
    lead = (
        "Line: 5 to 95 % of the images. Box: the middle half, with the median. Dots: the extremes, where the frame "
        "reaches them." + f" The {len(shown)} largest groups of {len(groups)}." * (left > 0)
    )
    cards = [
        card(_strips(shown, position), title=f"{plain(summary.measure)}, {summary.unit}")
        for position, summary in enumerate(shown[0].measures)
    ]
    title = "By camera and session" if len(groups) > 1 else "Distributions"
    return Section("distributions", "Distributions", title, lead, columns(*cards))


def _largest(groups: Sequence[Group]) -> list[Group]:
    """At most `GROUPS`, in the order given."""
    kept = sorted(range(len(groups)), key=lambda i: (groups[i].kind != "all", -groups[i].images))
    return [groups[i] for i in sorted(kept[:GROUPS])]


def _strips(groups: Sequence[Group], position: int) -> Html:
    """One line, box and median a group, over a common scale."""
    values = [list(group.measures[position].quantiles) for group in groups]
    low, high = min(row[1] for row in values), max(row[5] for row in values)
    margin = 0.25 * (high - low) or 0.5
    if groups[0].measures[position].unit == SHARE:
        high = max(high, LEAST_SHARE)
    # All measures are amounts; none can be negative.
    scale = Scale(max(0.0, low - margin), high + margin, LEFT, WIDTH - 14.0)
    bottom = 10.0 + ROW * len(groups)
    grid = [_vertical(scale(tick), 6.0, bottom, "grid") for tick in scale.ticks()]
    ticks = [label(scale(v), bottom + 16, number(v), anchor="middle") for v in scale.ticks()]
    rows = [_strip(groups[i], values[i], scale, 10.0 + ROW * (i + 0.5)) for i in range(len(groups))]
    measure = plain(groups[0].measures[position].measure)
    medians = ", ".join(
        f"{_named(group)} {number(row[3])}" for group, row in zip(groups, values, strict=True)
    )
    alt = f"{measure} by group, medians: {medians}"
    return tag(
        "svg",
        tag("title", alt),
        *grid,
        *ticks,
        *rows,
        viewBox=f"0 0 {WIDTH:g} {bottom + 24:g}",
        class_="chart",
        role="img",
        aria_label=alt,
    )


def _strip(group: Group, row: Sequence[float], scale: Scale, y: float) -> Html:
    name = _named(group)
    short = name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
    box = f"M{scale(row[2])} {y - 6}H{scale(row[4])}V{y + 6}H{scale(row[2])}z"
    dots = [mark(0, scale(v), y, 2.2) for v in (row[0], row[6]) if scale.low <= v <= scale.high]
    position = ("all", "camera", "session").index(group.kind)
    return tag(
        "g",
        label(LEFT - 10, y + 4, short, anchor="end"),
        tag("line", x1=scale(row[1]), y1=y, x2=scale(row[5]), y2=y, class_="stem"),
        tag("path", d=box, class_="soft"),
        _vertical(scale(row[3]), y - 8, y + 8, "whisker"),
        *dots,
        tag("title", f"{name}, {count(group.images, 'image')}: median {number(row[3])}"),
        class_=f"k{position}",
    )


def _vertical(x: float, y0: float, y1: float, kind: str) -> Html:
    return tag("line", x1=x, y1=y0, x2=x, y2=y1, class_=kind)


def _named(group: Group) -> str:
    return "all images" if group.kind == "all" else f"{group.kind} {group.name}"


def _medians(groups: Sequence[Group]) -> Section:
    head = ["group", "images", *(plain(summary.measure) for summary in groups[0].measures)]
    rows = [
        [
            _named(group),
            f"{group.images:,}",
            *(f"{summary.quantiles[3]:.3g}" for summary in group.measures),
        ]
        for group in groups
    ]
    numeric = frozenset(range(1, len(head)))
    body = table(head, rows, caption="Medians by camera and session", numeric=numeric)
    lead = "A group that is off as a whole shows here: no image of it stands out from the others."
    return Section("medians", "Medians", "Medians", lead, card(body))


def _unreadable(names: Sequence[str]) -> Section:
    shown = [tag("li", path(name)) for name in names[:UNREADABLE_NAMED]]
    left = len(names) - len(shown)
    more = tag("p", f"and {left:,} more", class_="note") if left else None
    lead = f"{count(len(names), 'file')} missing, damaged, or no longer what was read: read the images again."
    body = card(tag("ul", *shown, class_="offenders"), more)
    return Section("unreadable", "Unreadable", "Unreadable files", lead, body)
