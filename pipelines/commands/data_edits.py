"""`plumbline data apply` and `revert`: plans and decisions carried out on an index, and taken back."""

from __future__ import annotations

from pathlib import Path

from inspection.errors import DataError
from pipelines.output import Answer, data_command


def apply_file(index: Path, path: Path) -> Answer:
    """Carry out what `path` holds and note it beside the index."""
    from data_checks.edit_files import edits_in
    from inspection.data.edits import counted
    from inspection.data.index import ImageIndex
    from inspection.data.journal import apply_edits, journal_file

    edits = edits_in(path, ImageIndex.load(index))
    if not edits.edits and edits.kind == "dedupe":
        return _nothing(index, path)
    if not edits.edits:
        raise DataError(f"'{path}' changes nothing: there is nothing to apply")
    changed = apply_edits(index, edits)
    counts = counted(edits.edits)
    told = ", ".join(f"{count} x {name}" for name, count in counts.items()) or "nothing"
    return Answer(
        document={
            "index": str(index),
            "kind": edits.kind,
            "changed": counts,
            "usable": len(changed.usable()),
            "journal": str(journal_file(index)),
        },
        lines=[
            f"Changed      {told}",
            f"Index        {index}: {len(changed.usable())} of {len(changed)} images usable",
        ],
        next=[data_command("revert", index)],
    )


def _nothing(index: Path, path: Path) -> Answer:
    """A plan for a clean set is no fault."""
    return Answer(
        document={"index": str(index), "kind": "dedupe", "changed": {}},
        lines=[f"Changed      nothing: '{path}' has no change to make"],
    )


def revert_last(index: Path) -> Answer:
    """Take back the last edits of the index."""
    from inspection.data.edits import counted
    from inspection.data.journal import history, revert_edits

    restored, edits = revert_edits(index)
    left = len(history(index).entries)
    counts = counted(edits.edits)
    told = ", ".join(f"{count} x {name}" for name, count in counts.items()) or "nothing"
    return Answer(
        document={"index": str(index), "kind": edits.kind, "restored": counts, "left": left},
        lines=[
            f"Taken back   {told} ({edits.kind})",
            f"Index        {index}: {len(restored.usable())} of {len(restored)} images usable",
        ],
        next=[data_command("revert", index)] if left else [data_command("check", index)],
    )
