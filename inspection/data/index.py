"""The one table about images: readers make it, checks annotate it, nothing else describes data."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from deploy.edge.files import write_bytes
from inspection.errors import DataError

SPLITS = ("train", "val", "test")

BOX = pa.struct(
    [
        ("x0", pa.float64()),
        ("y0", pa.float64()),
        ("x1", pa.float64()),
        ("y1", pa.float64()),
        ("label", pa.string()),
    ]
)
"""A box in pixels, `x0 <= x < x1`, `y0 <= y < y1`, with the class of what it holds."""

REGION = pa.struct([("label", pa.string()), ("counts", pa.list_(pa.int32()))])
"""Pixels of one class as `inspection.data.shapes.Region` keeps them."""

SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),  # SHA-256 of the file's bytes; equal for byte copies
        ("pixel_id", pa.string()),  # SHA-256 of shape and decoded pixels; null if undecodable
        ("path", pa.string()),  # POSIX path relative to the root; unique
        ("fingerprint", pa.string()),  # inspection.data.fingerprints.signs, hexadecimal
        ("format", pa.string()),  # what the content is: jpeg, png …, whatever the name says
        ("bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("channels", pa.int8()),  # as stored; decoding always gives RGB
        ("bit_depth", pa.int8()),
        ("label", pa.string()),
        ("boxes", pa.list_(BOX)),
        ("regions", pa.list_(REGION)),
        ("mask_path", pa.string()),  # relative to the root
        ("pair_id", pa.string()),
        ("group", pa.string()),  # images that must share a split
        ("split", pa.string()),  # train, val, test or null
        ("camera", pa.string()),
        ("line", pa.string()),
        ("session", pa.string()),
        ("captured_at", pa.timestamp("us", tz="UTC")),
        ("source", pa.string()),  # the reader
        ("label_source", pa.string()),  # where the label came from: folder, box, filename …
        ("brightness", pa.float32()),  # deploy.edge.statistics, the same numbers as on the device
        ("contrast", pa.float32()),
        ("sharpness", pa.float32()),
        ("quarantine", pa.string()),  # reason code; null = usable
        ("detail", pa.string()),  # the sentence for people behind `quarantine`
        ("warnings", pa.list_(pa.string())),  # "code: sentence", usable all the same
    ]
)
COLUMNS = tuple(SCHEMA.names)
ROWS = 10_000
"""Built at a time."""


@dataclass(frozen=True)
class ImageIndex:
    """A table with one row per image file, and the folder its paths are relative to.

    `frame` always has exactly the columns of `SCHEMA`, a fresh 0..n-1 row index and unique paths. Read-only:
    `with_columns` gives a changed copy.
    """

    root: Path
    frame: pd.DataFrame

    def __post_init__(self) -> None:
        if tuple(self.frame.columns) != COLUMNS:
            wrong = set(self.frame.columns) ^ set(COLUMNS)
            raise DataError(f"an image index needs exactly the columns of its schema: {wrong}")
        if self.frame["path"].duplicated().any():
            path = self.frame.loc[self.frame["path"].duplicated(), "path"].iloc[0]
            raise DataError(f"'{path}' is listed twice: each file may be read once")

    @classmethod
    def from_rows(cls, root: Path, rows: Iterable[dict[str, Any]]) -> ImageIndex:
        """Build from dictionaries, few in memory at a time; absent keys become null, unknown keys are an error."""
        rows = iter(rows)
        parts = [SCHEMA.empty_table()]
        while chunk := list(itertools.islice(rows, ROWS)):
            for row in chunk:
                if unknown := set(row) - set(COLUMNS):
                    raise DataError(f"unknown index columns {sorted(unknown)}")
            full = [{name: row.get(name) for name in COLUMNS} for row in chunk]
            parts.append(pa.Table.from_pylist(full, schema=SCHEMA))
        return cls(root, _frame(pa.concat_tables(parts)))

    @classmethod
    def load(cls, path: Path) -> ImageIndex:
        """Read what `save` wrote; DataError for anything else."""
        if not path.is_file():
            raise DataError(
                f"image index '{path}' does not exist: plumbline data import writes one"
            )
        try:
            table = pq.read_table(path)
            root = (table.schema.metadata or {})[b"plumbline.root"].decode()
        except KeyError as error:
            raise DataError(
                f"'{path}' is no image index, but another Parquet file: plumbline data import writes one"
            ) from error
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(
                f"'{path}' is no image index, or damaged ({_first_line(error)}): "
                "plumbline data import writes one"
            ) from error
        _check_version(path, table.column_names)
        try:
            return cls(Path(root), _frame(table.cast(SCHEMA)))
        except (pa.ArrowException, ValueError) as error:
            raise DataError(
                f"'{path}' is a damaged image index ({_first_line(error)}): import the images again"
            ) from error

    def save(self, path: Path) -> None:
        """Write Parquet, whole or not at all."""
        write_bytes(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The Parquet file; equal indexes give equal bytes."""
        table = self.table().replace_schema_metadata({b"plumbline.root": str(self.root).encode()})
        stream = io.BytesIO()
        pq.write_table(table, stream)
        return stream.getvalue()

    def table(self) -> pa.Table:
        """The Arrow table, exactly `SCHEMA`."""
        arrays = [_array(self.frame[field.name], field.type) for field in SCHEMA]
        return pa.Table.from_arrays(arrays, schema=SCHEMA)

    def with_columns(self, **columns: Any) -> ImageIndex:
        """A copy with some columns replaced (sequences aligned with the rows, or a scalar)."""
        if unknown := set(columns) - set(COLUMNS):
            raise DataError(f"unknown index columns {sorted(unknown)}")
        return ImageIndex(self.root, self.frame.assign(**columns))

    def where(self, mask: Any) -> ImageIndex:
        """The rows for which the boolean `mask` holds, in order."""
        return ImageIndex(self.root, self.frame.loc[mask].reset_index(drop=True))

    def usable(self) -> ImageIndex:
        """The rows that no check has quarantined."""
        return self.where(self.frame["quarantine"].isna())

    def split(self, name: str) -> ImageIndex:
        """The usable rows of one split."""
        return self.where((self.frame["split"] == name) & self.frame["quarantine"].isna())

    @property
    def classes(self) -> tuple[str, ...]:
        """Sorted names of the labels of usable rows."""
        return tuple(sorted(self.usable().frame["label"].dropna().unique()))

    @property
    def paths(self) -> list[Path]:
        """Absolute paths of the files, in row order."""
        return [self.root / path for path in self.frame["path"]]

    def digest(self) -> str:
        """Content address: what the images are and what is said of them, not where they lie."""
        named = [
            "image_id",
            "label",
            "boxes",
            "regions",
            "mask_path",
            "group",
            "split",
            "quarantine",
        ]
        lines = sorted(
            repr([plain(row[name]) for name in named])
            for row in self.frame[named].to_dict(orient="records")
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.frame)


def _check_version(path: Path, columns: list[str]) -> None:
    """DataError that names the difference when another version of Plumbline wrote the index."""
    if tuple(columns) == COLUMNS:
        return
    without, more = sorted(set(COLUMNS) - set(columns)), sorted(set(columns) - set(COLUMNS))
    said = [
        f"{word} {', '.join(names[:3])}{' …' * (len(names) > 3)}"
        for word, names in (("without", without), ("with", more))
        if names
    ]
    raise DataError(
        f"'{path}' is an index of another version ({'; '.join(said) or 'columns in another order'}): "
        "import the images again"
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    for name in ("boxes", "regions", "warnings"):
        frame[name] = pd.Series(
            [[] if value is None else list(value) for value in frame[name]], dtype=object
        )
    return frame


def _array(column: pd.Series[Any], kind: pa.DataType) -> pa.Array:
    """One column, nothing as null, however Pandas spells it."""
    if pa.types.is_list(kind):
        return pa.array([plain(value) for value in column], kind)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        return pa.array(column.to_numpy(), kind, from_pandas=True)
    return pa.array([None if pd.isna(value) else value for value in column], kind)


def plain(value: Any) -> Any:
    """As JSON would have it: Pandas' several spellings of nothing as None, NumPy's numbers as Python's."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
