"""Parquet and NumPy files whose structure is sound and whose types, shapes or values are not what a reader expects."""

from __future__ import annotations

import datetime
import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CELLS: list[Any] = [
    *(
        None,
        "",
        "images/crack_0.jpg",
        "../x",
        "a\0b",
        "\u202e",
        "x\ny",
        "x" * 5000,
        "[]",
        "[{}]",
        "{",
    ),
    *('[{"x0": NaN}]', '[{"label": "a", "counts": [0, 1000000000000000000]}]', "[" * 3000, "1,5"),
]
COLUMNS: list[Any] = [
    *([1, 2, 3], [1.5, float("nan"), float("inf")], [True, None, False], [None, None, None]),
    *([b"\xff", b"a", b""], [["a"], [], None], [{"a": 1}, {"a": None}, None], [10**18, 1, -1]),
    [[{"x0": 1.0, "y0": 2.0, "x1": 9.0, "y1": float("nan"), "label": "crack"}], [], None],
    [[{"label": "crack", "counts": [0, 10**18]}], [{"label": None, "counts": None}], None],
    [[{"label": "crack", "counts": [5, 10, 1265]}], [{"label": "", "counts": [1.5]}], []],
    [[[1.0, 2.0]], [[]], [None]],
    [[1.0, 2.0], [3.0, 4.0], [5.0]],
    [datetime.date(2001, 1, 1), None, datetime.date(1, 1, 1)],
]


def other_parquet(rng: random.Random, path: Path) -> None:
    """Replace the file by one with some other columns: wrong types, nulls, nested values, odd names."""
    names = [*pq.read_schema(path).names, "extra", "", "a\nb", "path", "label"]
    rows = rng.choice([0, 1, 3, 3, 3])
    columns = [_column(rng, rows) for _ in range(rng.randrange(len(names) + 1))]
    picked = [rng.choice(names) for _ in columns]
    pq.write_table(pa.Table.from_arrays(columns, names=picked), path)


def _column(rng: random.Random, rows: int) -> Any:
    if rng.random() < 0.5:
        return pa.array([rng.choice(CELLS) for _ in range(rows)], pa.string())
    values = pa.array(rng.choice(COLUMNS)[:rows])
    if rng.random() < 0.2 and pa.types.is_string(values.type):
        return values.dictionary_encode()
    return values if len(values) == rows else pa.nulls(rows)


def other_npz(rng: random.Random, path: Path) -> None:
    """Replace the file by one whose arrays have other names, shapes, types, or headers that lie about them."""
    names = ["image_ids", "paths", "matrix", "embedding", "x", ""]
    arrays = {name: _array(rng) for name in rng.sample(names, rng.randrange(1, 4))}
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    data = stream.getvalue()
    if rng.random() < 0.4:
        lie = rng.choice([b"(9999999,)", b"(3, 99999)", b"(-1, 4)   ", b"(0,)      "])
        data = data.replace(b"(3, 4), }", lie + b"}").replace(
            b"'<f4'", rng.choice([b"'<f8'", b"'|O' "])
        )
    path.write_bytes(data)


def _array(rng: random.Random) -> Any:
    shape = rng.choice([(3,), (3, 4), (0, 4), (3, 0), (), (3, 4, 1), (4, 3), (1, 3)])
    kind = rng.choice(["f4", "f8", "i4", "bool", "U3", "S3", "c8", "M8[s]", "V4", "f2"])
    if rng.random() < 0.3:
        return np.array(["a" * 64, "b" * 64, "c" * 64])
    if rng.random() < 0.3:
        return np.full((3, 4), rng.choice([np.nan, np.inf, 1e300, 0.5]))
    return np.zeros(shape, kind)
