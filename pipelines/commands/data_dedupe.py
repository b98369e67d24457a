"""`plumbline data dedupe`: a plan for copies, and a page to look at it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.commands.target import (
    checked_target,
    has_keys,
    outside_images,
    page_target,
    replaceable,
)
from pipelines.output import Answer, Table, data_command

SHOWN = 12
"""Decisions listed in the terminal; the plan and the page have all of them."""


def plan(
    index: Path,
    out: Path | None,
    page: Path | None,
    *,
    options: Mapping[str, Any],
    force: bool = False,
) -> Answer:
    """Write the plan for `index` to `out` (beside the index by default); the index stays as it is."""
    from data_checks.dedupe import DedupeOptions, plan_dedupe
    from inspection.data.index import ImageIndex
    from inspection.reporting.dedupe_page import KIND, write_dedupe_page

    target = checked_target(out or index.with_suffix(".dedupe.json"), ".json")
    table = ImageIndex.load(index)
    outside_images(target, table.root)
    own = has_keys(target, "planned", "search")
    replaceable(target, own=own, force=force, why="is no plan of dedupe's")
    shown = None if page is None else page_target(page, table.root, KIND, force=force)
    made = plan_dedupe(table, DedupeOptions(**options))
    made.save(target)
    if shown is not None:
        write_dedupe_page(made, table, shown, created=datetime.now(UTC))
    rows = [(each.action, each.path, each.why) for each in made.planned if each.action != "keep"]
    rows.sort(key=lambda row: (("conflict", "drop", "group").index(row[0]), row[1]))
    lines = [made.sentence, f"Plan         {target}"]
    if len(rows) > SHOWN:
        lines.insert(0, f"… and {len(rows) - SHOWN} more")
    if shown is not None:
        lines.append(f"Page         {shown}")
    return Answer(
        document={
            "plan": str(target),
            "page": None if shown is None else str(shown),
            "pictures": made.search.images,
            "pairs_within_radius": made.search.found,
            "pairs_compared": made.search.kept,
            **{a: made.count(a) for a in ("keep", "drop", "group", "conflict")},
            "sentence": made.sentence,
        },
        table=Table(("action", "image", "why"), rows[:SHOWN]) if rows else None,
        lines=lines,
        next=[
            data_command("apply", index, target)
            if made.edits.edits
            else data_command("split", index)
        ],
    )
