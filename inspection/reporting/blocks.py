"""The few building blocks every page is made of: sections, tables, tiles, galleries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inspection.reporting.markup import Child, Html, join, tag
from inspection.reporting.thumbnails import Polygon, Thumbnail


@dataclass(frozen=True)
class Section:
    """One chapter of the page: `short` names it in the contents, `lead` says its finding in a sentence."""

    anchor: str
    short: str
    title: str
    lead: str
    body: Html

    def render(self) -> Html:
        """The chapter as HTML."""
        return tag(
            "section",
            tag("h2", self.title, id=f"{self.anchor}-title"),
            tag("p", self.lead, class_="lead") if self.lead else None,
            self.body,
            id=self.anchor,
            aria_labelledby=f"{self.anchor}-title",
        )


def card(*children: Child, title: str = "", note: str = "", kind: str = "") -> Html:
    """A framed block with an optional third-level heading and a line of explanation."""
    return tag(
        "div",
        tag("h3", title) if title else None,
        tag("p", note, class_="note") if note else None,
        *children,
        class_=f"card {kind}".strip(),
    )


def columns(*children: Child) -> Html:
    """Blocks side by side where there is room."""
    return tag("div", *children, class_="columns")


def table(
    head: Sequence[Child],
    rows: Iterable[Sequence[Child]],
    *,
    caption: str,
    numeric: frozenset[int] = frozenset(),
    kinds: Sequence[str] = (),
) -> Html:
    """A table that scrolls sideways by itself; `numeric` columns align right, `kinds` style whole rows."""

    def cell(name: str, i: int, content: Child) -> Html:
        scope = "col" if name == "th" else None
        return tag(name, content, class_="num" if i in numeric else None, scope=scope)

    body = [
        tag(
            "tr",
            *(cell("td", i, content) for i, content in enumerate(row)),
            class_=(kinds[k] or None) if k < len(kinds) else None,
        )
        for k, row in enumerate(rows)
    ]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *(cell("th", i, content) for i, content in enumerate(head)))),
            tag("tbody", *body),
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def tile(name: str, value: str, *details: Child) -> Html:
    """One key figure: what it is, its value, what to hold it against."""
    return tag(
        "div",
        tag("dt", name),
        tag("dd", tag("strong", value), *(tag("span", detail) for detail in details)),
        class_="tile",
    )


def tiles(figures: Iterable[Html]) -> Html:
    """Key figures as one panel: in one row up to four, three to a row beyond."""
    shown = list(figures)
    return tag("dl", *shown, class_=f"tiles of{len(shown) if len(shown) <= 4 else 3}")


def badge(words: str, kind: str) -> Html:
    """A short state; kinds: good, bad, warn, idle. The word says it, the colour repeats it."""
    return tag("span", words, class_=f"badge {kind}")


def shot(thumbnail: Thumbnail, alt: str, *caption: Child, **data: str) -> Html:
    """A picture with its outlines and caption; opens large on a click. `data` feeds the filters."""
    if not thumbnail.uri:
        picture = tag(
            "div", tag("span", thumbnail.missing), class_="void", role="img", aria_label=alt
        )
    else:
        picture = tag(
            "button",
            tag(
                "img",
                src=Html(thumbnail.uri),
                width=thumbnail.width,
                height=thumbnail.height,
                alt=alt,
                decoding="async",
            ),
            _overlay(thumbnail),
            type="button",
            class_="zoom",
            title="Show large",
        )
    return tag(
        "figure",
        picture,
        tag("figcaption", *caption),
        class_="shot",
        **{f"data_{key}": value for key, value in data.items()},
    )


def _overlay(thumbnail: Thumbnail) -> Html | None:
    if not thumbnail.polygons:
        return None
    outlines = [tag("polygon", points=_points(polygon)) for polygon in thumbnail.polygons]
    return tag(
        "svg",
        tag("g", *outlines, class_="under"),
        tag("g", *outlines),
        viewBox=f"0 0 {thumbnail.width} {thumbnail.height}",
        class_="outline",
        aria_hidden="true",
    )


def _points(polygon: Polygon) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in polygon)


def gallery(shots: Sequence[Html], *, label: str, kind: str = "") -> Html:
    """Pictures in a grid; the arrow keys walk through them when one is open."""
    return tag("div", *shots, class_=f"gallery {kind}".strip(), role="group", aria_label=label)


def filters(key: str, options: Sequence[tuple[str, str]], *, label: str) -> Html:
    """Buttons that show only the pictures whose `key` has a value; without scripts they stay hidden."""
    buttons = [
        tag("button", words, type="button", data_value=value, aria_pressed=str(not value).lower())
        for value, words in [("", "all"), *options]
    ]
    return tag(
        "div", *buttons, class_="filters", data_key=key, role="group", aria_label=label, hidden=True
    )


def facts(pairs: Iterable[tuple[Child, Child]]) -> Html:
    """Names and values as a list of definitions."""
    return tag("dl", *(join([tag("dt", k), tag("dd", v)]) for k, v in pairs), class_="facts")


def path(name: str) -> Html:
    """A whole file name that breaks after its separators rather than anywhere."""
    return tag("code", breakable(name), class_="path")


def base(name: str) -> Html:
    """The last part of a file name, the whole of it at hand."""
    return tag("code", breakable(name.rsplit("/", 1)[-1]), class_="path", title=name)


def breakable(name: str) -> list[Html]:
    """A name that may break after its separators."""
    *parts, last = re.split(r"(?<=[/_-])", name)
    return [*(join([part, Html("<wbr>")]) for part in parts), join([last])]
