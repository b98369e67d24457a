"""The label audit as one page: look at each picture, keep, relabel or quarantine, and take the decisions home as JSON.

Covered: opens offline, loads nothing; file names and class names of any kind come back exactly as they are; nothing is
written but the file that the reader saves. Not covered: more than `SHOWN` images, the rest waits for the next audit;
keeping decisions after the page is closed, so the page asks before it closes.
"""

from __future__ import annotations

import json
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
    breakable,
    card,
    path,
    shot,
    table,
    tile,
    tiles,
)
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.shell import page, stamp
from inspection.reporting.thumbnails import Pictures
from inspection.reporting.top import heading
from inspection.reporting.wording import count, percent, plain

SHOWN = 600
"""Images on one page: an evening's work."""

KIND = "Label audit"

KINDS = {
    "label_conflict": "The same pixels exist under another label. One of the two is wrong.",
    "box_conflict": "The same pixels exist with other boxes.",
    "copy_conflict": "A copy that shows the same surface has another label, other boxes or another mask.",
    "box_class": "A box holds a class that is not the image's label.",
    "box_mask": "Boxes and mask mark different places.",
    "probe": "Models that never saw this label call the image something else.",
    "neighbours": "Most of the images that look alike have another label.",
    "confident_learning": "Surer of another class than that class's own images are on average.",
}
LOUD = ("label_conflict", "box_conflict", "copy_conflict")


class SuspectLike(Protocol):
    """One image of the queue."""

    @property
    def path(self) -> str: ...
    @property
    def given(self) -> str | None: ...
    @property
    def suggested(self) -> str | None: ...
    @property
    def kinds(self) -> Sequence[str]: ...
    @property
    def score(self) -> float: ...
    @property
    def sentence(self) -> str: ...


class AuditLike(Protocol):
    """What the page reads of an audit; `data_checks.label_audit.LabelAudit` is one."""

    @property
    def images(self) -> int: ...
    @property
    def judged(self) -> int: ...
    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def queue(self) -> Sequence[SuspectLike]: ...
    @property
    def notes(self) -> Sequence[str]: ...


def write_audit_page(
    audit: AuditLike,
    index: ImageIndex,
    target: Path,
    *,
    created: datetime,
    name: str = "Label audit",
) -> Path:
    """Write the page to `target`, whole or not at all."""
    document = render_audit_page(audit, index, created=created, name=name)
    write_bytes(target, document.encode("utf-8"))
    return target


def render_audit_page(
    audit: AuditLike, index: ImageIndex, *, created: datetime, name: str = "Label audit"
) -> str:
    """The page as text."""
    sections = [_queue(audit, index), _evidence(audit)]
    title = f"{name} · Plumbline label audit"
    top = _top(audit, name, created)
    return page(title, KIND, created, top, sections, extra="audit")


def _top(audit: AuditLike, name: str, created: datetime) -> Html:
    suspects = len(audit.queue)
    loud = sum(bool(set(one.kinds) & set(LOUD)) for one in audit.queue)
    share = suspects / max(1, audit.images)
    figures = tiles(
        [
            tile("Images", f"{audit.images:,}", "usable, with and without a label"),
            tile(
                "Judged by models", f"{audit.judged:,}", "each by models that never saw its label"
            ),
            tile("To look at", f"{suspects:,}", f"{percent(share)} of the images"),
            tile("Contradictions", f"{loud:,}", "equal pixels, unequal labels or boxes"),
        ]
    )
    notes = [tag("li", note) for note in audit.notes]
    left_out = tag("ul", *notes, class_="audit-notes") if notes else None
    if not suspects:
        said = "Nothing speaks against any label or box."
        return heading(name, stamp(created), "good", "Nothing to look at", said, figures, left_out)
    headline = f"{count(suspects, 'image')} to look at"
    said = "The dearest mistakes come first. Decide, save the decisions, and apply them: they can be undone."
    return heading(name, stamp(created), "idle", headline, said, figures, left_out)


def _queue(audit: AuditLike, index: ImageIndex) -> Section:
    shown = audit.queue[:SHOWN]
    pictures = Pictures(index)
    entries = [_entry(place, one, audit.classes, pictures) for place, one in enumerate(shown)]
    more = len(audit.queue) - len(shown)
    lead = f"The first {SHOWN:,} are shown; {more:,} wait for the next audit." if more else ""
    if not shown:
        lead = "The queue is empty."
    body = tag(
        "div",
        _toolbar(shown) if shown else None,
        tag("div", *entries, class_="audit-entries"),
        class_="audit",
        data_labels=_exact(list(audit.classes)),
    )
    return Section("queue", "Queue", "Queue", lead, join([body]))


def _toolbar(shown: Sequence[SuspectLike]) -> Html:
    """Filters and the button that saves; scripts show it."""
    given = Counter(one.given or "" for one in shown)
    kinds = Counter(kind for one in shown for kind in one.kinds)
    classes = [(_exact(name or None), f"{name or 'no label'} ({n})") for name, n in given.items()]
    ways = [(kind, f"{plain(kind)} ({n})") for kind, n in kinds.most_common()]
    states = [("open", "undecided"), ("done", "decided")]
    return tag(
        "div",
        _choice("given", "Label", sorted(classes)),
        _choice("kinds", "Evidence", ways),
        _choice("state", "State", states),
        tag("output", class_="audit-seen"),
        tag("button", "Save decisions", type="button", class_="audit-save", disabled=True),
        class_="audit-bar",
        role="group",
        aria_label="Filters and saving",
        hidden=True,
    )


def _choice(key: str, words: str, options: Sequence[tuple[str, str]]) -> Html:
    made = [tag("option", said, value=value) for value, said in [("", "all"), *options]]
    return tag("label", tag("span", words), tag("select", *made, data_filter=key))


def _entry(place: int, one: SuspectLike, classes: Sequence[str], pictures: Pictures) -> Html:
    alt = f"Image {place + 1} of the queue: {one.path}"
    figure = shot(pictures.of(one.path), alt, _verdict(one), path(one.path))
    kinds = [badge(plain(kind), "bad" if kind in LOUD else "warn") for kind in one.kinds]
    return tag(
        "article",
        figure,
        tag(
            "div",
            tag("p", *(join([kind, Html(" ")]) for kind in kinds), class_="audit-kinds"),
            tag("p", one.sentence, class_="audit-words"),
            _decision(place, one, classes),
            class_="audit-side",
        ),
        class_="audit-entry",
        data_path=_exact(one.path),
        data_given=_exact(one.given),
        data_kinds=" ".join(one.kinds),
    )


def _verdict(one: SuspectLike) -> Html:
    given = tag("b", breakable(one.given)) if one.given is not None else tag("i", "no label")
    suggested = (
        [" → ", tag("b", breakable(one.suggested), class_="audit-new")] if one.suggested else []
    )
    sure = tag(
        "span",
        percent(min(one.score, 0.99), 0),
        class_="audit-score",
        title="Probability of a fault",
    )
    return tag("p", sure, given, *suggested, class_="verdict")


def _decision(place: int, one: SuspectLike, classes: Sequence[str]) -> Html:
    name = f"decision-{place}"
    ways = [
        tag("label", tag("input", type="radio", name_=name, value=way), tag("span", way))
        for way in ("keep", "relabel", "quarantine")
    ]
    options = [
        tag("option", label, value=number, selected=label == one.suggested)
        for number, label in enumerate(classes)
        if label != one.given
    ]
    first = tag("option", "as what?", value="", selected=one.suggested not in classes)
    select = tag("select", first, *options, aria_label="New label", disabled=not options)
    said = one.given if one.given is not None else "no label"
    return tag(
        "fieldset",
        tag("legend", f"Decision for image {place + 1}, labelled {said}"),
        *ways,
        select,
        class_="audit-decision",
    )


def _evidence(audit: AuditLike) -> Section:
    found = Counter(kind for one in audit.queue for kind in one.kinds)
    rows = [(plain(kind), words, f"{found[kind]:,}") for kind, words in KINDS.items()]
    told = table(
        ("Evidence", "What it means", "Images"),
        rows,
        caption="Kinds of evidence",
        numeric=frozenset({2}),
        kinds=["" if found[kind] else "idle" for kind in KINDS],
    )
    lead = (
        "Several kinds may speak against one image; the percentage is what they come to together."
    )
    return Section("evidence", "Evidence", "What counts as evidence", lead, card(told))


def _exact(value: object) -> str:
    """ASCII JSON: survives escaping for the eye, and the script reads back the very same text."""
    return json.dumps(value)
