"""Files of edits, whoever made them: a deduplication plan, edits, or the decisions of an audit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from data_checks.dedupe import DedupePlan
from data_checks.label_decisions import decisions_to_edits, read_decisions
from inspection.data.edits import Edits, edited
from inspection.data.index import ImageIndex
from inspection.errors import DataError


def edits_in(path: Path, index: ImageIndex) -> Edits:
    """What the file would change in `index`; DataError when it holds nothing of the kind."""
    held = _keys(path)
    if "planned" in held:
        return _plan(path)
    if "edits" in held:
        return Edits.read(path)
    return decisions_to_edits(index, read_decisions(path))


def with_edits(index: ImageIndex, paths: Iterable[Path]) -> ImageIndex:
    """The index after every file, in order."""
    for path in paths:
        index = edited(index, edits_in(path, index))
    return index


def _keys(path: Path) -> set[str]:
    """Keys of a JSON object; none for anything else, which its own reader will refuse."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return set()
    return set(document) if isinstance(document, dict) else set()


def _plan(path: Path) -> Edits:
    try:
        return DedupePlan.load(path).edits
    except ValueError as error:
        raise DataError(
            f"'{path}' is no plan of this version: run plumbline data dedupe again"
        ) from error
