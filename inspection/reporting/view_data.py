"""What the page of all images knows: columns that its filters read, and facts that it opens when somebody asks.

Covered: any text is safe inside a script element. Not covered: runs of regions (outlines stand for them).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from inspection.data.class_colours import class_colours, hexadecimal
from inspection.data.index import SPLITS
from inspection.data.patch_defects import Row
from inspection.reporting.view_pictures import Small

FACTS = {
    "label_source": "label from",
    "group": "group",
    "width": "size",
    "channels": "channels",
    "bit_depth": "bits",
    "format": "format",
    "bytes": "bytes",
    "camera": "camera",
    "line": "line",
    "session": "session",
    "captured_at": "captured",
    "source": "read as",
    "pair_id": "pair",
    "mask_path": "mask",
    "brightness": "brightness",
    "contrast": "contrast",
    "sharpness": "sharpness",
    "boxes": "boxes",
    "detail": "what is wrong",
    "warnings": "warnings",
    "image_id": "image id",
}
"""Columns of the index, as the page calls them; the filters' own columns are shown besides."""

FaultNames = list[list[str]]


def row_faults(row: Row, extra: Sequence[str]) -> list[tuple[str, str]]:
    """Names of what is wrong with an image, each with its kind: bad (quarantine), warn, or mark (`extra`)."""
    found = [("bad", str(row["quarantine"]))] if row["quarantine"] is not None else []
    found += [("warn", words.partition(":")[0].strip()) for words in row["warnings"] or []]
    found += [("mark", name) for name in extra]
    return list(dict.fromkeys(found))


def filter_columns(
    rows: Sequence[Row], small: Sequence[Small], faults: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The columns that are read at once: names are listed once and numbered, rows are lists of numbers."""
    labels = sorted({row["label"] for row in rows} - {None})
    used = {row["split"] for row in rows} - {None}
    splits = [*(name for name in SPLITS if name in used), *sorted(used - set(SPLITS))]
    wrong = [row_faults(row, faults.get(row["path"], ())) for row in rows]
    names = sorted({each for found in wrong for each in found})
    drawn = sorted({mark.label for each in small for mark in each.marks})
    colours = class_colours({*labels, *drawn})
    return {
        "paths": [row["path"] for row in rows],
        "labels": labels,
        "label": _numbers([row["label"] for row in rows], labels),
        "splits": splits,
        "split": _numbers([row["split"] for row in rows], splits),
        "faults": [{"kind": kind, "name": name} for kind, name in names],
        "fault": {
            i: [names.index(each) for each in found] for i, found in enumerate(wrong) if found
        },
        "width": [each.width for each in small],
        "height": [each.height for each in small],
        "missing": {i: each.missing for i, each in enumerate(small) if each.missing},
        "drawn": drawn,
        "colours": {name: hexadecimal(colour) for name, colour in colours.items()},
        "marks": {
            i: [[mark.kind, drawn.index(mark.label), *mark.points] for mark in each.marks]
            for i, each in enumerate(small)
            if each.marks
        },
    }


def fact_columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """The other facts by the names that the page shows; columns without any value are left out."""
    columns = {shown: [_fact(name, row) for row in rows] for name, shown in FACTS.items()}
    return {name: values for name, values in columns.items() if any(v is not None for v in values)}


def as_script(value: Any) -> str:
    """JSON that no text inside can end: every `<` is spelt out, everything is ASCII."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _numbers(values: Sequence[Any], names: Sequence[str]) -> list[int]:
    places = {name: place for place, name in enumerate(names)}
    return [places.get(value, -1) for value in values]


def _fact(name: str, row: Row) -> Any:
    value = row[name]
    if value is None or value == []:
        return None
    if name == "width":
        return f"{value} × {row['height']} px"
    if name == "boxes":
        return [
            f"{b['label']} ({b['x0']:g}, {b['y0']:g}) to ({b['x1']:g}, {b['y1']:g})" for b in value
        ]
    if isinstance(value, datetime):
        return value.isoformat()
    return float(f"{value:.5g}") if isinstance(value, float) else value
