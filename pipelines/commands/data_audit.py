"""`plumbline data audit`: which labels, boxes and masks are probably wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pipelines.commands.target import (
    checked_target,
    has_keys,
    outside_images,
    page_target,
    replaceable,
)
from pipelines.output import Answer, Table, data_command

SHOWN = 15


def audit_index(
    index: Path,
    embeddings: Path | None,
    out: Path | None,
    page: Path | None,
    *,
    seed: int,
    force: bool = False,
) -> Answer:
    """Rank what contradicts itself; with embeddings also what a model that never saw the label disbelieves."""
    from data_checks.embeddings import load_embeddings
    from data_checks.label_audit import audit_labels
    from inspection.data.index import ImageIndex
    from inspection.reporting.audit_page import KIND, write_audit_page

    target = None if out is None else checked_target(out, ".json")
    table = ImageIndex.load(index)
    if target is not None:
        outside_images(target, table.root)
        own = has_keys(target, "queue", "judged")
        replaceable(target, own=own, force=force, why="is no queue of an audit")
    shown = None if page is None else page_target(page, table.root, KIND, force=force)
    vectors = None if embeddings is None else load_embeddings(embeddings, table)
    found = audit_labels(table, vectors, seed=seed)
    if target is not None:
        found.save(target)
    if shown is not None:
        write_audit_page(found, table, shown, created=datetime.now(UTC))
    rows = [
        (f"{one.score:.2f}", one.path, one.given or "-", one.suggested or "-", one.sentence)
        for one in found.queue[:SHOWN]
    ]
    written = [("Queue", target), ("Page", shown)]
    lines = [found.sentence, *(f"Note         {note}" for note in found.notes)]
    lines += [f"{name:<12} {path}" for name, path in written if path is not None]
    following = []
    if found.queue and shown is None:
        following = [data_command("audit", index, "--page", "audit.html")]
    elif found.queue:
        # The page makes this file, when somebody has decided.
        following = [data_command("apply", index, "decisions.json")]
    return Answer(
        document={
            "images": found.images,
            "judged": found.judged,
            "queue": len(found.queue),
            "kinds": found.kinds,
            "notes": list(found.notes),
            "first": [
                {"path": o.path, "given": o.given, "suggested": o.suggested, "score": o.score}
                for o in found.queue[:SHOWN]
            ],
            "out": None if target is None else str(target),
            "page": None if shown is None else str(shown),
        },
        table=Table(("score", "image", "label", "rather", "why"), rows) if rows else None,
        lines=lines,
        next=following,
    )
