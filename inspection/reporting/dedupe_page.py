"""The page of a deduplication plan: every pair side by side with what was found between the two.

Covered: contradictions first, then copies to be dropped beside the image that stays, then images that are only kept
together; hostile names. Not covered: more than `SHOTS` pairs of a kind, of which the plan has all.
"""

from __future__ import annotations

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
    gallery,
    path,
    shot,
    tile,
    tiles,
)
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.shell import page, stamp
from inspection.reporting.thumbnails import Pictures
from inspection.reporting.top import heading
from inspection.reporting.wording import count

SHOTS = 60
"""Pairs of a kind that are shown: enough to judge the plan by."""

KIND = "Duplicates"

KINDS = {
    "conflict": (
        "Contradictions",
        "bad",
        "One picture, described in two ways. Nothing is dropped here; decide which description is right.",
    ),
    "drop": (
        "Copies",
        "good",
        "Compared pixel by pixel after position and light were set aside; the left one stays.",
    ),
    "group": (
        "One surface",
        "idle",
        "They differ somewhere, or too much noise hides whether they do. Both stay, and no split parts them.",
    ),
}


class PlannedLike(Protocol):
    """What is to become of one image."""

    @property
    def path(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def of(self) -> str: ...
    @property
    def why(self) -> str: ...


class PlanLike(Protocol):
    """`data_checks.dedupe.DedupePlan`, from here."""

    @property
    def planned(self) -> Sequence[PlannedLike]: ...
    @property
    def sentence(self) -> str: ...


def write_dedupe_page(
    plan: PlanLike, index: ImageIndex, target: Path, *, created: datetime, name: str = ""
) -> Path:
    """Write the page to `target`, whole or not at all."""
    document = render_dedupe_page(plan, index, created=created, name=name)
    write_bytes(target, document.encode("utf-8"))
    return target


def render_dedupe_page(
    plan: PlanLike, index: ImageIndex, *, created: datetime, name: str = ""
) -> str:
    """The page as text."""
    title = name or index.root.name or "images"
    by_kind = {kind: [p for p in plan.planned if p.action == kind] for kind in KINDS}
    conflicts = len(by_kind["conflict"])
    kind, headline = (
        ("bad", f"{count(conflicts, 'image')} contradict a copy")
        if conflicts
        else ("good", f"{count(len(by_kind['drop']), 'copy', 'copies')} to drop")
    )
    figures = tiles(tile(KINDS[k][0], f"{len(found):,}") for k, found in by_kind.items())
    top = heading(title, stamp(created), kind, headline, plan.sentence, figures)
    pictures = Pictures(index)
    sections = [_section(k, found, pictures) for k, found in by_kind.items() if found]
    return page(f"{title} · Plumbline duplicates", KIND, created, top, sections)


def _section(kind: str, found: Sequence[PlannedLike], pictures: Pictures) -> Section:
    title, look, lead = KINDS[kind]
    pairs = _once(found)
    cards = [_pair(each, look, pictures) for each in pairs[:SHOTS]]
    left = len(pairs) - len(cards)
    more = tag("p", f"{left:,} more in the plan.") if left else join([])
    rows = [columns(*cards[i : i + 2]) for i in range(0, len(cards), 2)]
    return Section(kind, title, title, lead, join([*rows, more]))


def _once(found: Sequence[PlannedLike]) -> list[PlannedLike]:
    """Pairs that name each other are one."""
    seen: set[frozenset[str]] = set()
    kept = []
    for each in found:
        both = frozenset((each.path, each.of))
        if both not in seen:
            seen.add(both)
            kept.append(each)
    return kept


def _pair(each: PlannedLike, look: str, pictures: Pictures) -> Html:
    shots = [
        shot(pictures.of(name), name, badge(words, kind), path(name))
        for name, words, kind in _roles(each, look)
    ]
    return card(gallery(shots, label=f"{each.of} and {each.path}"), tag("p", each.why))


def _roles(each: PlannedLike, look: str) -> list[tuple[str, str, str]]:
    if each.action == "drop":
        return [(each.of, "stays", "good"), (each.path, "drop", "warn")]
    words = "contradicts" if each.action == "conflict" else "together"
    return [(each.path, words, look), (each.of, words, look)]
