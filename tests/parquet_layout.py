"""The manifest of `reader_layouts`, as Parquet; and any change to its rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.reader_layouts import manifest_layout

Rows = list[dict[str, Any]]


def parquet_layout(root: Path) -> None:
    """`manifest.parquet` in place of the CSV; boxes and regions as lists of objects."""
    manifest_layout(root)
    with (root / "manifest.csv").open(newline="") as stream:
        rows: Rows = list(csv.DictReader(stream))
    (root / "manifest.csv").unlink()
    for row in rows:
        row["boxes"] = [_floats(box) for box in json.loads(row["boxes"] or "[]")]
        row["regions"] = json.loads(row["regions"] or "[]")
    pq.write_table(pa.Table.from_pylist(rows), root / "manifest.parquet")


def _floats(box: dict[str, Any]) -> dict[str, Any]:
    return {name: float(value) if name != "label" else value for name, value in box.items()}


def change_rows(root: Path, change: Callable[[Rows], object]) -> None:
    """The same table with its rows changed."""
    table = pq.read_table(root / "manifest.parquet")
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), root / "manifest.parquet")
