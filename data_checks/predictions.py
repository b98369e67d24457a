"""The prediction log as a table: one row per inspected image, as the device wrote it.

Covered: rotated segments, a torn last line, several models in one log, logs of devices that knew fewer statistics. Not
covered: images; the log holds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from deploy.edge.files import written_aside
from deploy.edge.prediction_log import read_predictions
from deploy.edge.statistics import FIRST, STATISTICS
from inspection.errors import DataError

ORIGIN = ("line", "camera", "session")
VECTORS = ("probabilities", "embedding")
PIECE = 4096
"""Rows turned into Arrow at a time."""

SCHEMA = pa.schema(
    [
        ("time", pa.string()),
        ("image_id", pa.string()),
        ("path", pa.string()),
        ("model", pa.string()),  # digest of the bundle
        ("label", pa.string()),
        ("confidence", pa.float64()),
        ("outcome", pa.string()),
        ("probabilities", pa.list_(pa.float32())),
        ("embedding", pa.list_(pa.float32())),
        ("latency_ms", pa.float64()),
        *((name, pa.float64()) for name in STATISTICS),
        *((name, pa.string()) for name in ORIGIN),
    ]
)
OPTIONAL = frozenset({*STATISTICS[FIRST:], *ORIGIN})
"""Older devices do not log these; nobody has to name lines and cameras."""


def load_predictions(folder: Path) -> pd.DataFrame:
    """All predictions below `folder` in order of writing; vectors as float32 arrays. DataError when there are none."""
    if not folder.is_dir():
        raise DataError(
            f"no prediction log at '{folder}': name the folder that `plumbline-edge predict --log` wrote to"
        )
    frame: pd.DataFrame = _table(folder).to_pandas()
    for name in VECTORS:
        values = [np.asarray(value, np.float32) for value in frame[name]]
        frame[name] = pd.Series(values, dtype=object)
    return frame


def write_parquet(folder: Path, target: Path) -> int:
    """Turn a log into one Parquet file, whole or not at all; returns the number of rows."""
    table = _table(folder)
    with written_aside(target) as aside:
        pq.write_table(table, aside)
    return int(table.num_rows)


def of_model(predictions: pd.DataFrame, digest: str) -> pd.DataFrame:
    """The predictions of one bundle; DataError when it made none."""
    mine = predictions[predictions["model"] == digest].reset_index(drop=True)
    if mine.empty:
        others = sorted(set(predictions["model"]))
        raise DataError(
            f"the log holds no prediction of bundle {digest[:12]}, only of "
            f"{', '.join(name[:12] for name in others)}: name the bundle that ran on the device"
        )
    return mine


def stream_names(predictions: pd.DataFrame, by: Sequence[str]) -> npt.NDArray[np.str_]:
    """For each row where it comes from, as `line 3, camera left`; empty where the log says nothing about it."""
    told = [
        [f"{name} {value}" if isinstance(value, str) else "" for value in predictions[name]]
        for name in by
    ]
    rows = zip(*told, strict=True) if told else ([] for _ in range(len(predictions)))
    return np.array([", ".join(part for part in row if part) for row in rows], np.str_)


def newest(
    predictions: pd.DataFrame, streams: npt.NDArray[np.str_], images: int | None
) -> pd.DataFrame:
    """The last `images` rows of each stream in order of writing; all of them for None."""
    if images is None:
        return predictions
    rank = predictions.groupby(streams, sort=False).cumcount(ascending=False)
    return predictions[rank.to_numpy() < images].reset_index(drop=True)


def _table(folder: Path) -> pa.Table:
    """All rows as Arrow, gathered in pieces: a Python object per number would not fit for a month's log."""
    entries = iter(read_predictions(folder))
    pieces = []
    while rows := [_row(entry) for entry in islice(entries, PIECE)]:
        pieces.append(pa.Table.from_pylist(rows, schema=SCHEMA))
    if not pieces:
        raise DataError(
            f"the prediction log at '{folder}' is empty: run plumbline-edge predict --log first"
        )
    return pa.concat_tables(pieces)


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    """Known columns only: a newer device may log more than this version reads."""
    missing = [name for name in SCHEMA.names if name not in entry and name not in OPTIONAL]
    if missing:
        raise DataError(
            f"a prediction lacks {', '.join(missing)}: the log comes from another version of plumbline"
        )
    return {name: entry.get(name) for name in SCHEMA.names}
