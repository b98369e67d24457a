"""Changes to an index that can be undone: each says which value of which image becomes what, and why.

Covered: every change names the value it replaces, so edits made for other data, or applied twice, are refused before
anything is written; the inverse restores each value. Not covered: adding or removing rows; the files themselves, which
are never touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd
from pydantic import ValidationError

from inspection.data.index import ImageIndex, plain
from inspection.data.readers.stated import LARGEST, one_line, shown
from inspection.errors import DataError
from inspection.records import Record

EDITABLE = (
    "label",
    "label_source",
    "boxes",
    "regions",
    "mask_path",
    "group",
    "split",
    "quarantine",
    "detail",
    "warnings",
)
"""Columns that say something about an image; the others state what its file is."""
LISTS = ("boxes", "regions", "warnings")
KINDS = {
    "boxes": "a list of {x0, y0, x1, y1, label}",
    "regions": "a list of {label, counts}",
    "warnings": "a list of texts",
}
NAMED = 3
"""Faults that a message lists before it counts."""


@dataclass(frozen=True)
class Edit(Record):
    """One value of one image: `before` and `after` are JSON values, null for nothing."""

    path: str
    column: str
    before: Any
    after: Any
    reason: str = ""


@dataclass(frozen=True)
class Edits(Record):
    """Edits that belong together; `kind` says who made them (dedupe, labels, split)."""

    kind: str
    edits: tuple[Edit, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """A file of edits that people may have changed; DataError in one sentence for anything else."""
        if not path.exists():
            raise DataError(f"'{path}' does not exist: give a file of edits")
        if not path.is_file():
            raise DataError(f"'{path}' is no regular file: give a file of edits")
        try:
            return cls.load(path)
        except (OSError, ValidationError, ValueError) as error:
            said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise DataError(
                f"'{path}' holds no edits ({one_line(said)}): write it again"
            ) from error

    def inverted(self) -> Edits:
        """What undoes them."""
        undone = [Edit(e.path, e.column, e.after, e.before, e.reason) for e in reversed(self.edits)]
        return Edits(self.kind, tuple(undone))


def edited(index: ImageIndex, edits: Edits) -> ImageIndex:
    """A copy with every edit carried out, in order; DataError when one does not fit, and then nothing is changed."""
    rows = {path: row for row, path in enumerate(index.frame["path"])}
    columns = {name: list(index.frame[name]) for name in EDITABLE}
    faults = []
    for edit in edits.edits:
        fault = _misfit(edit, rows, columns)
        if fault is not None:
            faults.append(fault)
            continue
        columns[edit.column][rows[edit.path]] = _stored(edit)
    if faults:
        more = f" and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        raise DataError(f"the edits do not fit this index: {'; '.join(faults[:NAMED])}{more}")
    changed = {edit.column for edit in edits.edits}
    return index.with_columns(
        **{name: pd.Series(columns[name], dtype=object) for name in sorted(changed)}
    )


def changes(before: ImageIndex, after: ImageIndex, *, reason: str = "") -> tuple[Edit, ...]:
    """Every editable value in which two indexes of the same files differ."""
    if list(before.frame["path"]) != list(after.frame["path"]):
        raise DataError("the two indexes list different files: import the data again")
    found = []
    for name in EDITABLE:
        pairs = zip(before.frame["path"], before.frame[name], after.frame[name], strict=True)
        for path, was, becomes in pairs:
            old, new = plain(was), plain(becomes)
            if old != new:
                found.append(Edit(path, name, old, new, reason))
    return tuple(found)


def counted(edits: Sequence[Edit]) -> dict[str, int]:
    """How many values of each column change."""
    return dict(sorted(Counter(edit.column for edit in edits).items()))


def _misfit(edit: Edit, rows: dict[str, int], columns: dict[str, list[Any]]) -> str | None:
    if edit.column not in EDITABLE:
        known = ", ".join(EDITABLE)
        return f"{shown(edit.path)}: column {shown(edit.column)} cannot be edited ({known} can)"
    if edit.path not in rows:
        return f"{shown(edit.path)} is not in the index"
    now = plain(columns[edit.column][rows[edit.path]])
    if now != edit.before:
        sides = f"{one_line(repr(now))}, the edit expects {one_line(repr(edit.before))}"
        return f"{shown(edit.path)}: {edit.column} is {sides}"
    if not _fits(edit):
        kind = KINDS.get(edit.column, "a text or null")
        said = one_line(repr(edit.after))
        return f"{shown(edit.path)}: {edit.column} must be {kind}, not {said}"
    return None


def _fits(edit: Edit) -> bool:
    """Whether the index can hold the value: a list of what it lists, or a text."""
    if edit.column not in LISTS:
        return edit.after is None or isinstance(edit.after, str)
    return isinstance(edit.after, list) and all(map(_MEMBERS[edit.column], edit.after))


def _is_box(value: Any) -> bool:
    sides = {"x0", "y0", "x1", "y1"}
    if not isinstance(value, dict) or set(value) != {*sides, "label"}:
        return False
    finite = all(_is_number(value[side]) for side in sides)
    return finite and isinstance(value["label"], str)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -LARGEST <= value <= LARGEST


def _is_region(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"label", "counts"}:
        return False
    counts = value["counts"]
    whole = isinstance(counts, list) and all(type(n) is int and 0 <= n < 2**31 for n in counts)
    return whole and isinstance(value["label"], str)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_MEMBERS = {"boxes": _is_box, "regions": _is_region, "warnings": _is_text}


def _stored(edit: Edit) -> Any:
    return list(edit.after) if edit.column in LISTS else edit.after
