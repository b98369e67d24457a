from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from data_checks.embeddings import Embeddings, load_embeddings, rows_for
from deploy.edge.files import write_json
from inspection.data.index import ImageIndex
from inspection.errors import DataError

IDS = ("a" * 64, "b" * 64, "c" * 64)
PATHS = ("ok/1.png", "ok/2.png", "scratch/3.png")
MATRIX = np.arange(12, dtype=np.float32).reshape(3, 4)

Write = Callable[[Path], Path]


def index() -> ImageIndex:
    rows = [
        {"image_id": image, "path": path, "label": path.split("/")[0]}
        for image, path in zip(IDS, PATHS, strict=True)
    ]
    return ImageIndex.from_rows(Path("/nowhere"), rows)


def npz(folder: Path, **arrays: npt.NDArray[np.generic]) -> Path:
    target = folder / "vectors.npz"
    np.savez(target, **arrays)  # type: ignore[arg-type]
    return target


def parquet(folder: Path, **columns: object) -> Path:
    target = folder / "vectors.parquet"
    pq.write_table(pa.table(columns), target)
    return target


def features(folder: Path) -> Path:
    target = folder / "features"
    target.mkdir()
    save_file({"matrix": MATRIX}, target / "features.safetensors")
    write_json(target / "features.json", {"image_ids": list(IDS), "backbone": {}})
    return target


@pytest.mark.parametrize(
    "write",
    [
        lambda f: npz(f, image_ids=np.array(IDS), matrix=MATRIX),
        lambda f: npz(f, paths=np.array(PATHS), matrix=MATRIX),
        lambda f: npz(f, paths=np.array(PATHS[::-1]), embeddings=MATRIX[::-1].astype(np.float64)),
        lambda f: npz(
            f, image_ids=np.array([*IDS, IDS[0]]), matrix=np.concatenate([MATRIX, MATRIX[:1]])
        ),
        lambda f: npz(
            f, image_ids=np.array([*IDS, "d" * 64]), matrix=np.concatenate([MATRIX, MATRIX[:1]])
        ),
        lambda f: parquet(f, path=PATHS, embedding=MATRIX.tolist()),
        lambda f: parquet(f, image_id=IDS, embedding=MATRIX.tolist()),
        features,
    ],
    ids=[
        "npz by id",
        "npz by path",
        "any order, doubles",
        "a byte copy, same vector",
        "also of images that are not asked for",
        "parquet by path",
        "parquet by id",
        "folder of features",
    ],
)
def test_every_file_gives_the_same_vectors(write: Write, tmp_path: Path) -> None:
    found = load_embeddings(write(tmp_path), index())

    assert found.matrix.dtype == np.float32
    assert np.array_equal(rows_for(found, index()), MATRIX)


def _raw(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def _nan() -> npt.NDArray[np.float32]:
    matrix = MATRIX.copy()
    matrix[1, 2] = np.nan
    return matrix


BAD: dict[str, tuple[Write, str]] = {
    "absent": (lambda f: f / "none.npz", "do not exist"),
    "another kind of file": (lambda f: _raw(f, "x.csv", b"1,2"), r"give a \.npz, a \.parquet"),
    "no archive": (lambda f: _raw(f, "x.npz", b"hello"), "damaged"),
    "empty archive": (lambda f: _raw(f, "x.npz", b""), "damaged"),
    "no parquet": (lambda f: _raw(f, "x.parquet", b"hello"), "damaged"),
    "no names": (lambda f: npz(f, matrix=MATRIX), r"no 'image_id' \(they hold matrix\)"),
    "no vectors": (lambda f: npz(f, paths=np.array(PATHS)), "no 'matrix'"),
    "pickled names": (
        lambda f: npz(f, paths=np.array(PATHS, dtype=object), matrix=MATRIX),
        "damaged",
    ),
    "wrong rank": (lambda f: npz(f, paths=np.array(PATHS), matrix=MATRIX[0]), r"shape \(4,\)"),
    "a name too few": (lambda f: npz(f, paths=np.array(PATHS[:2]), matrix=MATRIX), "3 rows for 2"),
    "two vectors for one": (
        lambda f: npz(f, paths=np.array(PATHS[:2] + PATHS[:1]), matrix=MATRIX),
        "two vectors for 'ok/1.png'",
    ),
    "not a number": (
        lambda f: npz(f, paths=np.array(PATHS), matrix=_nan()),
        r"NaN or infinity in 1 rows \(ok/2.png\)",
    ),
    "words": (
        lambda f: npz(f, paths=np.array(PATHS), matrix=MATRIX.astype(str)),
        "not numbers",
    ),
    "other images": (
        lambda f: npz(f, paths=np.array(["x", "y", "z"]), matrix=MATRIX),
        "other images",
    ),
    "an image left out": (
        lambda f: npz(f, paths=np.array(PATHS[:2]), matrix=MATRIX[:2]),
        r"lack 1 of 3 images \(scratch/3.png\)",
    ),
    "unequal lists": (
        lambda f: parquet(f, path=PATHS, embedding=[[1.0], [1.0, 2.0], [3.0]]),
        "unequal length",
    ),
    "an empty folder": (lambda f: f, "damaged"),
}


@pytest.mark.parametrize(("write", "said"), BAD.values(), ids=BAD)
def test_bad_files_are_refused_in_a_sentence(write: Write, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said) as refused:
        load_embeddings(write(tmp_path), index())

    assert "\n" not in str(refused.value)


def test_quarantined_images_need_no_vector(tmp_path: Path) -> None:
    part = index().with_columns(quarantine=[None, None, "undecodable"])

    found = load_embeddings(npz(tmp_path, paths=np.array(PATHS[:2]), matrix=MATRIX[:2]), part)

    assert rows_for(found, part.usable()).shape == (2, 4)


def test_rows_for__follows_the_index() -> None:
    table = Embeddings(IDS, MATRIX)

    turned = rows_for(table, index().where([2, 0]))

    assert np.array_equal(turned, MATRIX[[2, 0]])
