"""One vector per image, from whatever file keeps them: NumPy, Parquet, or a folder of teacher features.

Covered: rows are found by image id or by path, in any order; every file that does not fit its index is refused in one
sentence (no names, names twice, other images, images left out, wrong rank, NaN). Not covered: whether the vectors are
any good, or made from the images as they are now.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from inspection.data.index import ImageIndex
from inspection.data.readers.stated import one_line, shown
from inspection.errors import DataError, MissingExtra

Matrix = npt.NDArray[np.float32]

NAMES = ("image_id", "image_ids", "path", "paths")
"""Columns or arrays that say which image a vector is of."""
VECTORS = ("matrix", "embedding", "embeddings")
NAMED = 3
"""Files that a message lists before it counts."""

NPZ_FAULTS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    EOFError,
    MemoryError,
    BadZipFile,
    zlib.error,
    struct.error,
)
"""NumPy and zipfile fail in all these ways on damaged bytes: a wrong version of ZIP is a NotImplementedError."""


class EmbeddingTable(Protocol):
    """What the audit reads of embeddings; teacher features have it too."""

    @property
    def image_ids(self) -> Sequence[str]: ...
    @property
    def matrix(self) -> npt.NDArray[np.floating[Any]]: ...


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One row of `matrix` (N, D) float32, all finite, per distinct image id."""

    image_ids: tuple[str, ...]
    matrix: Matrix


def load_embeddings(path: Path, index: ImageIndex) -> Embeddings:
    """The vectors of the index's usable images from `.npz`, `.parquet`, or a folder of features.

    `.npz`: `image_ids` or `paths`, and `matrix` (N, D). Parquet: `image_id` or `path`, and `embedding`, a list per
    row. Folder: `features.safetensors` and `features.json`. DataError when it does not hold them all.
    """
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"embeddings '{path}' do not exist: give a .npz, a .parquet or a folder")
    read = _folder if path.is_dir() else READERS.get(path.suffix.lower())
    if read is None:
        raise DataError(
            f"embeddings '{path.name}': give a .npz, a .parquet or a folder of features"
        )
    kind, names, matrix = read(path)
    checked = _checked(path.name, names, matrix)
    ids = _ids(kind, names, index)
    known = [row for row, name in enumerate(ids) if name is not None]
    place = {str(ids[row]): row for row in known}
    found = Embeddings(tuple(place), checked[list(place.values())])
    rows_for(found, index.usable(), name=path.name)
    return found


def rows_for(embeddings: EmbeddingTable, index: ImageIndex, *, name: str = "given") -> Matrix:
    """The vectors of the index's rows, in order, float32 (N, D); DataError when some have none."""
    matrix = _checked(name, list(embeddings.image_ids), embeddings.matrix)
    place = {image: row for row, image in enumerate(embeddings.image_ids)}
    ids = [str(image) for image in index.frame["image_id"]]
    missing = [
        path for path, image in zip(index.frame["path"], ids, strict=True) if image not in place
    ]
    if missing and len(missing) == len(ids):
        raise DataError(
            f"embeddings '{name}' are of other images, none of this index: extract them again"
        )
    if missing:
        raise DataError(
            f"embeddings '{name}' lack {len(missing)} of {len(ids)} images ({listed(missing)}): "
            "extract them again from this index"
        )
    rows: Matrix = matrix[[place[image] for image in ids]]
    return rows


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(one_line(name) for name in names[:NAMED])}{more}"


def _checked(name: str, names: Sequence[str], matrix: Any) -> Matrix:
    """float32 (N, D) with one row per name, or the sentence that says what is wrong."""
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise DataError(
            f"embeddings '{name}' have shape {matrix.shape}: write one row per image, (N, D)"
        )
    if len(names) != len(matrix):
        raise DataError(
            f"embeddings '{name}' have {len(matrix)} rows for {len(names)} names: write one per image"
        )
    if not np.issubdtype(matrix.dtype, np.number) or np.iscomplexobj(matrix):
        raise DataError(f"embeddings '{name}' hold {matrix.dtype}, not numbers: write float32")
    numbers: Matrix = np.asarray(matrix, np.float32)
    finite: npt.NDArray[np.bool_] = np.asarray(np.isfinite(numbers).all(axis=1), bool)
    if not finite.all():
        bad = [names[row] for row in np.flatnonzero(~finite).tolist()]
        raise DataError(
            f"embeddings '{name}' hold NaN or infinity in {len(bad)} rows ({listed(bad)}): "
            "extract them again"
        )
    first = {one: row for row, one in reversed(list(enumerate(names)))}
    again = np.array([first[one] for one in names], np.int64)
    if not np.array_equal(numbers, numbers[again]):
        row = int(np.flatnonzero((numbers != numbers[again]).any(axis=1))[0])
        raise DataError(
            f"embeddings '{name}' hold two vectors for {shown(names[row])}: write each image once"
        )
    return numbers


def _ids(kind: str, names: Sequence[str], index: ImageIndex) -> list[str | None]:
    """The image id behind each name; None for images that the index does not list."""
    frame = index.frame
    by = "path" if kind.startswith("path") else "image_id"
    known = {str(k): str(v) for k, v in zip(frame[by], frame["image_id"], strict=True)}
    return [known.get(name) for name in names]


def _npz(path: Path) -> tuple[str, list[str], Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            kind = _present(path, NAMES, archive.files)
            vectors = _present(path, VECTORS, archive.files)
            return kind, [str(name) for name in archive[kind].ravel()], archive[vectors]
    except NPZ_FAULTS as error:
        raise _damaged(path, error) from error


def _parquet(path: Path) -> tuple[str, list[str], Any]:
    try:
        # Not read_table: that takes folders called 'a=b' for columns.
        table = pq.ParquetFile(path).read()
        kind = _present(path, NAMES, table.column_names)
        names = [str(name) for name in table[kind].to_pylist()]
        lists = table[_present(path, VECTORS, table.column_names)].to_pylist()
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise _damaged(path, error) from error
    try:
        matrix = np.array(lists, np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"embeddings '{path.name}': lists of unequal length or not of numbers; write one vector per image"
        ) from error
    return kind, names, matrix


def _folder(path: Path) -> tuple[str, list[str], Any]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ModuleNotFoundError as error:
        raise MissingExtra("pipeline", "reading a folder of teacher features") from error
    try:
        for name in ("features.json", "features.safetensors"):
            if not (path / name).is_file():
                raise ValueError(f"no file {name}")
        document = json.loads((path / "features.json").read_bytes())
        matrix = load_file(path / "features.safetensors")["matrix"]
        return "image_ids", [str(name) for name in document["image_ids"]], matrix
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise _damaged(path, error) from error


def _present(path: Path, wanted: Sequence[str], there: Sequence[str]) -> str:
    for name in wanted:
        if name in there:
            return name
    held = one_line(", ".join(map(str, there)) or "nothing")
    raise DataError(
        f"embeddings '{path.name}' have no '{wanted[0]}' (they hold {held}): "
        f"name it {' or '.join(wanted)}"
    )


def _damaged(path: Path, error: Exception) -> DataError:
    said = one_line(error)
    return DataError(
        f"'{path.name}' holds no embeddings, or is damaged ({type(error).__name__}: {said}): write it again"
    )


READERS = {".npz": _npz, ".parquet": _parquet}
