"""A plain table of images: CSV or Parquet with a column `path`, and as many of the others as there are.

Columns: `label`, `boxes`, `regions` (JSON text), `mask_path`, `pair_id`, `session`, `camera`, `split`. Covered: what
Excel makes of a CSV, names from Windows, what `inspection/data/export.py` writes; a split of all images, which a run
keeps only when it is asked to, and audits then. Not covered: groups, which are made anew; images that the table does
not list.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from inspection.config import DataConfig
from inspection.data.index import SPLITS
from inspection.data.readers.base import Box, RawItem
from inspection.data.readers.drawn import Drawn, label_source, main_class
from inspection.data.readers.files import Fault, checked_root, images_below, path_fault, relative
from inspection.data.readers.labels import LabelRule
from inspection.data.readers.stated import class_name, number, shown, whole
from inspection.data.readers.tables import (
    Row,
    Table,
    annotation_file,
    outside,
    read_table,
    safe_name,
)
from inspection.data.shapes import Runs, ShapeError

READ = ("path", "label", "boxes", "regions", "mask_path", "pair_id", "session", "camera", "split")
LABELLING = ("label", "boxes", "regions")
SIDES = ("x0", "y0", "x1", "y1")
MADE_ANEW = ("group",)
"""Exported with the rest, and read by nobody: old groups would hide leaks from the checks."""


def read_manifest(root: Path, config: DataConfig) -> list[RawItem]:
    """One item per row; DataError for a table without the column `path`, without rows, or with half a split."""
    root, rule = checked_root(root), LabelRule(config)
    table = read_table(annotation_file(root, config.annotations, (".csv", ".parquet")))
    if "path" not in table.columns:
        names = shown(", ".join(table.columns))
        raise table.fault(1, f"no column path among {names}; kind 'manifest' reads path, label …")
    if not table.rows:
        raise table.fault(1, "a header and no rows; list the images below it")
    _check_split(table, labelled=config.label_pattern is not None)
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in table.rows:
        name = safe_name(row.text("path"))
        rows[name or f"{relative(table.path, root)}#{row.line}"].append(row)
    named = {*rows, *(safe_name(row.text("mask_path")) for row in table.rows)}
    strays = [path for path in images_below(root) if relative(path, root) not in named]
    warnings = _once(table, len(strays))
    items = []
    for name, same in rows.items():
        items.append(_item(name, same, root, rule, warnings))
        warnings = ()
    items += [
        RawItem(path=relative(path, root), fault=fault)
        for path in strays
        # No table can hold such a name, so nobody could have listed it.
        if (fault := path_fault(path, root))
    ]
    return sorted(items, key=lambda item: item.path)


def _check_split(table: Table, *, labelled: bool) -> None:
    """DataError for a split that is none of ours, or that leaves an image with a label out; no split at all is fine."""
    told = [row.text("split") for row in table.rows]
    if not any(told):
        return
    for row, name in zip(table.rows, told, strict=True):
        wanted = labelled or any(row.text(column) for column in LABELLING)
        if name and name not in SPLITS:
            known = ", ".join(SPLITS)
            raise table.fault(row.line, f"split {shown(name)} is none of {known}: rename it")
        if wanted and not name:
            sentence = "no split, where other rows have one: fill the column, or remove it"
            raise table.fault(row.line, sentence)


def _once(table: Table, strays: int) -> tuple[str, ...]:
    """What is passed over, as warnings of the first row."""
    anew = [name for name in MADE_ANEW if any(row.text(name) for row in table.rows)]
    unknown = [name for name in table.columns if name not in (*READ, *MADE_ANEW)]
    said = (
        (anew, f"columns_made_anew: {', '.join(anew)} of the manifest not used"),
        (unknown, f"columns_ignored: {', '.join(map(shown, unknown))}"),
        (strays, f"images_unlisted: {strays} below data.root that the manifest does not name"),
    )
    return tuple(warning for found, warning in said if found)


def _item(
    name: str,
    rows: list[Row],
    root: Path,
    rule: LabelRule,
    warnings: tuple[str, ...],
) -> RawItem:
    row = rows[0]
    try:
        fault = _name_fault(name, rows, root)
        boxes, shapes = (_boxes(row), _shapes(row)) if fault is None else ((), ())
        mask, mask_fault = _mask(row, root)
        own = class_name(row.text("label"), "label") if row.text("label") else None
    except ShapeError as error:
        return RawItem(path=name, fault=(error.code, str(error)), warnings=warnings)
    except ValueError as error:
        sentence = f"line {row.line}: {error}: mend the row"
        return RawItem(path=name, fault=("annotation_unreadable", sentence), warnings=warnings)
    drawn = [Drawn(runs.label, shape=runs) for runs in shapes] or [Drawn(b.label, b) for b in boxes]
    source = "manifest" if own else label_source(drawn)
    label = rule.label(PurePosixPath(name).stem, own or main_class(drawn), source)
    return RawItem(
        path=name,
        label=label.name,
        label_source=label.source,
        boxes=boxes,
        shapes=shapes,
        mask_path=mask,
        pair_id=row.text("pair_id") or None,
        session=row.text("session") or None,
        camera=row.text("camera") or None,
        split=row.text("split") or None,
        fault=fault or mask_fault or label.fault,
        warnings=warnings,
    )


def _name_fault(name: str, rows: list[Row], root: Path) -> Fault | None:
    stated = rows[0].text("path")
    if not stated:
        return "path_missing", f"line {rows[0].line}: no path: name the image or remove the row"
    if safe_name(stated) is None:
        return outside(stated)
    if len(rows) > 1:
        lines = ", ".join(str(row.line) for row in rows[:5])
        return "listed_twice", f"{shown(name)} is listed in lines {lines}: keep one"
    return path_fault(root / name, root)


def _mask(row: Row, root: Path) -> tuple[str | None, Fault | None]:
    stated = row.text("mask_path")
    if not stated:
        return None, None
    name = safe_name(stated)
    if name is None:
        return None, outside(stated)
    fault = path_fault(root / name, root)
    return (None, fault) if fault else (name, None)


def _boxes(row: Row) -> tuple[Box, ...]:
    """From `[{"x0": …, "y0": …, "x1": …, "y1": …, "label": …}]`."""
    found = []
    for at, box in enumerate(_objects(row, "boxes"), start=1):
        x0, y0, x1, y1 = (number(box.get(side), f"box {at}: {side}") for side in SIDES)
        found.append(Box(x0, y0, x1, y1, class_name(box.get("label"), f"box {at}: label")))
    return tuple(found)


def _shapes(row: Row) -> tuple[Runs, ...]:
    """From `[{"label": …, "counts": [background, pixels, …]}]`."""
    found = []
    for at, region in enumerate(_objects(row, "regions"), start=1):
        label = class_name(region.get("label"), f"region {at}: label")
        counts = region.get("counts")
        if not isinstance(counts, list):
            raise ValueError(f"region {at}: counts is {shown(counts)}, not a list of numbers")
        numbers = [whole(count, f"region {at}: a count") for count in counts]
        found.append(Runs.of_counts(label, numbers))
    return tuple(found)


def _objects(row: Row, column: str) -> list[Mapping[str, Any]]:
    """The cell's list of objects: JSON text, or in a Parquet file the list itself."""
    stated = row.cells.get(column)
    if isinstance(stated, str):
        stated = _parsed(stated, column) if stated.strip() else None
    if stated is None:
        return []
    if not isinstance(stated, list) or not all(isinstance(each, Mapping) for each in stated):
        raise ValueError(f"{column} is {shown(stated)}, not a list of objects")
    return stated


def _parsed(text: str, column: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", type(error).__name__)
        raise ValueError(
            f"{column} is no JSON ({reason}); write numbers with a point: 1.5, not 1,5"
        ) from error
