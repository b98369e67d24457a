"""What people decided about doubtful labels, and the reversible edits that carry it out.

Covered: decisions as JSON (the audit page writes it) or CSV (anybody can); unknown paths, labels and decisions,
contradictory and double lines are refused, all at once, before anything is edited. Not covered: boxes and masks, which
are mended in the tool that drew them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_checks.label_consistency import CONTRADICTED
from inspection.data.edits import Edit, Edits
from inspection.data.index import ImageIndex, plain
from inspection.data.readers.stated import one_line, shown
from inspection.errors import DataError
from inspection.records import Record

KINDS = ("keep", "relabel", "quarantine")
FIELDS = frozenset({"path", "decision", "label"})
CODE = "label_audit"
"""Quarantine code of images that people set aside."""
LABEL_SOURCE = "audit"


@dataclass(frozen=True)
class Decision(Record):
    """What shall happen to one image's label: keep, relabel (to `label`), or quarantine."""

    path: str
    decision: str
    label: str | None = None


def read_decisions(path: Path) -> tuple[Decision, ...]:
    """Decisions of a file, in order: JSON `{"decisions": [{"path", "decision", "label"}]}`, or CSV with these columns.

    Lines without a decision are skipped: nobody has looked there yet.
    """
    if not path.is_file():
        raise DataError(
            f"decisions '{path}' do not exist, or are no file: the audit page writes them"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _csv(text) if path.suffix.lower() == ".csv" else _json(text)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        said = one_line(error)
        raise DataError(
            f"{shown(path.name)} holds no decisions ({said}): write it again"
        ) from error
    faults = [fault for number, row in enumerate(rows, 1) for fault in _row_faults(number, row)]
    if faults:
        raise DataError(_all(f"{shown(path.name)} holds decisions that cannot be read", faults))
    return tuple(_decision(row) for row in rows if row.get("decision"))


def decisions_to_edits(index: ImageIndex, decisions: Sequence[Decision]) -> Edits:
    """Edits of kind `labels`: new labels, `label_source` "audit" on all that people judged, quarantine where asked.

    DataError naming every path and label that the index does not know. Keeping or relabelling also lifts the
    quarantine of a contradiction: whether the copies agree now is asked again at the next check.
    """
    rows = {str(row["path"]): row for row in index.frame.to_dict(orient="records")}
    known = {label for label in index.frame["label"] if isinstance(label, str)}
    seen: set[str] = set()
    faults = []
    for one in decisions:
        faults += _misfits(one, rows, known, seen)
        seen.add(one.path)
    if faults:
        raise DataError(_all("the decisions do not fit this index", faults))
    edits = [edit for one in decisions for edit in _edits(one, rows[one.path])]
    return Edits("labels", tuple(edits))


def _json(text: str) -> list[dict[str, Any]]:
    document = json.loads(text)
    rows = document.get("decisions") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError('a list of decisions is expected under "decisions"')
    return rows


def _csv(text: str) -> list[dict[str, Any]]:
    # Excel writes semicolons where the comma is the decimal point.
    separator = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    if not {"path", "decision"} <= set(reader.fieldnames or ()):
        raise ValueError("columns path, decision and label are expected")
    return [{k: v or None for k, v in row.items()} for row in reader]


def _row_faults(number: int, row: dict[str, Any]) -> list[str]:
    where = f"entry {number}"
    if None in row:
        return [
            f"{where}: unknown field behind the last column, put names that hold a comma in quotes"
        ]
    if unknown := sorted(set(row) - FIELDS):
        return [
            f"{where}: unknown field {shown(unknown[0])}, known are {', '.join(sorted(FIELDS))}"
        ]
    if not isinstance(row.get("path"), str):
        return [f"{where}: 'path' must be a text"]
    if any(not isinstance(row.get(name), str | None) for name in ("decision", "label")):
        return [f"{where}: 'decision' and 'label' must be texts or null"]
    return []


def _decision(row: dict[str, Any]) -> Decision:
    return Decision(row["path"], row["decision"].strip().lower(), row.get("label"))


def _misfits(
    one: Decision, rows: dict[str, dict[Any, Any]], known: set[str], seen: set[str]
) -> list[str]:
    faults = []
    if one.path not in rows:
        faults.append(f"{shown(one.path)} is not in the index")
    if one.path in seen:
        faults.append(f"{shown(one.path)} is decided twice: keep one line")
    if one.decision not in KINDS:
        faults.append(
            f"{shown(one.path)}: decision {shown(one.decision)} is none of {', '.join(KINDS)}"
        )
    if one.decision == "relabel" and one.label not in known:
        said = "no label" if one.label is None else f"unknown label {shown(one.label)}"
        faults.append(f"{shown(one.path)}: {said}, give one of {', '.join(sorted(known))}")
    return faults


def _edits(one: Decision, row: dict[Any, Any]) -> list[Edit]:
    after: dict[str, str | None] = {"label_source": LABEL_SOURCE}
    if one.decision == "relabel":
        after["label"] = one.label
    if one.decision == "quarantine":
        after = {"quarantine": CODE, "detail": "set aside by people in the label audit"}
    elif row["quarantine"] in CONTRADICTED:
        after |= {"quarantine": None, "detail": None}
    reason = f"label audit: {one.decision}"
    changed = {name: value for name, value in after.items() if plain(row[name]) != value}
    return [
        Edit(one.path, name, plain(row[name]), value, reason)
        for name, value in sorted(changed.items())
    ]


def _all(rule: str, faults: Sequence[str]) -> str:
    return "\n".join([f"{rule} ({len(faults)}):", *(f"  {fault}" for fault in faults)])
