"""`plumbline data audit`: which labels, boxes and masks are probably wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pipelines.commands.target import checked_target
from pipelines.output import Answer, Table

SHOWN = 15


def audit_index(
    index: Path, embeddings: Path | None, out: Path | None, page: Path | None, *, seed: int
) -> Answer:
    """Rank what contradicts itself; with embeddings also what a model that never saw the label disbelieves."""
    from data_checks.embeddings import load_embeddings
    from data_checks.label_audit import audit_labels
    from inspection.data.index import ImageIndex
    from inspection.reporting.audit_page import write_audit_page

    target = None if out is None else checked_target(out, ".json")
    shown = None if page is None else checked_target(page, ".html")
    table = ImageIndex.load(index)
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
    following = [] if shown else [f"plumbline data audit {index} --page audit.html"]
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
        next=[*following, f"plumbline data apply {index} decisions.json"],
    )
