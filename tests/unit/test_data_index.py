"""The index keeps what it is told, through disk and back, and refuses what it cannot hold."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.data.index import COLUMNS, ImageIndex
from inspection.errors import DataError

numbers = st.one_of(st.none(), st.integers(0, 20_000))
words = st.one_of(st.none(), st.text(min_size=1, max_size=8))
boxes = st.lists(
    st.fixed_dictionaries(
        {name: st.floats(-1e4, 1e4) for name in ("x0", "y0", "x1", "y1")}
        | {"label": st.text(max_size=5)}
    ),
    max_size=3,
)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "image_id": st.text("abcdef0123456789", min_size=4, max_size=8),
            "path": st.text(min_size=1),
        },
        optional={
            "width": numbers,
            "height": numbers,
            "bytes": st.one_of(st.none(), st.integers(0, 2**53)),
            "channels": st.one_of(st.none(), st.integers(1, 4)),
            "bit_depth": st.one_of(st.none(), st.sampled_from([1, 8, 16])),
            "captured_at": st.one_of(
                st.none(),
                st.datetimes(
                    datetime(1990, 1, 1),
                    datetime(2100, 1, 1),
                    timezones=st.just(UTC),
                ),
            ),
            "label": words,
            "group": words,
            "quarantine": words,
            "boxes": boxes,
            "warnings": st.lists(st.text(max_size=8), max_size=2),
            "brightness": st.one_of(st.none(), st.floats(0, 255, width=32)),
        },
    ),
    max_size=6,
    unique_by=lambda row: str(row["path"]),
)


def plain(index: ImageIndex) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = index.table().to_pylist()
    return rows


@given(rows)
def test_index__survives_disk(tmp_path_factory: pytest.TempPathFactory, found: list[Any]) -> None:
    index = ImageIndex.from_rows(Path("images"), found)
    target = tmp_path_factory.mktemp("index") / "index.parquet"
    index.save(target)
    again = ImageIndex.load(target)
    assert plain(again) == plain(index)
    assert (again.root, again.digest()) == (index.root, index.digest())
    for row, told in zip(plain(index), found, strict=True):
        assert {name: row[name] for name in told} == told


@given(rows, st.randoms(use_true_random=False))
def test_index__digest_is_of_a_set_of_rows(found: list[Any], random: Any) -> None:
    mixed = list(found)
    random.shuffle(mixed)
    one, two = (ImageIndex.from_rows(Path("r"), rows) for rows in (found, mixed))
    assert one.digest() == two.digest()


def make(count: int) -> ImageIndex:
    return ImageIndex.from_rows(
        Path("root"),
        [
            {"image_id": f"{i:04x}", "path": f"{i}.png", "label": "ab"[i % 2], "split": "test"}
            for i in range(count)
        ],
    )


def test_index__same_path_twice_is_refused() -> None:
    with pytest.raises(DataError, match="listed twice"):
        ImageIndex.from_rows(
            Path("r"), [{"image_id": "1", "path": "a"}, {"image_id": "2", "path": "a"}]
        )


def test_index__unknown_column_is_refused() -> None:
    with pytest.raises(DataError, match="colour"):
        ImageIndex.from_rows(Path("r"), [{"path": "a", "colour": "red"}])
    with pytest.raises(DataError, match="colour"):
        make(2).with_columns(colour="red")
    with pytest.raises(DataError, match="schema"):
        ImageIndex(Path("r"), make(2).frame.drop(columns="label"))


def test_index__split_and_usable_leave_out_quarantined() -> None:
    index = make(4).with_columns(quarantine=["empty", None, None, None])
    assert len(index.usable()) == 3
    assert list(index.split("test").frame["path"]) == ["1.png", "2.png", "3.png"]
    assert len(index.split("train")) == 0
    assert index.paths[0] == Path("root/0.png")


def test_index__digest_sees_labels_not_places() -> None:
    index = make(4)
    moved = ImageIndex(Path("elsewhere"), index.frame)
    shuffled = index.where(index.frame["path"] != "").with_columns(label=["a", "b", "a", "b"])
    assert moved.digest() == index.digest() == shuffled.digest()
    assert index.with_columns(label=["b", "b", "a", "b"]).digest() != index.digest()
    reordered = ImageIndex(index.root, index.frame.iloc[::-1].reset_index(drop=True))
    assert reordered.digest() == index.digest()


def test_index__classes_are_sorted_and_usable_only() -> None:
    index = make(3).with_columns(label=["z", "a", "m"], quarantine=[None, None, "empty"])
    assert index.classes == ("a", "z")
    assert tuple(index.frame.columns) == COLUMNS


@pytest.mark.parametrize(
    "values",
    [
        np.array(["g1", "g2", "g3"]),
        np.array(["g1", "g2", "g3"], dtype=object),
        pd.Series(["g1", "g2", "g3"], dtype="str"),
        pd.Series(["g1", "g2", "g3"], dtype="category"),
        ["g1", "g2", "g3"],
    ],
    ids=["numpy text", "numpy objects", "pandas text", "pandas category", "list"],
)
def test_index__columns_may_come_in_any_spelling(values: Any, tmp_path: Path) -> None:
    index = make(3).with_columns(group=values)
    index.save(tmp_path / "index.parquet")
    again = ImageIndex.load(tmp_path / "index.parquet")
    assert list(again.frame["group"]) == ["g1", "g2", "g3"]
    assert again.digest() == index.digest()


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, pd.NaT, float("nan")])
def test_index__nothing_is_one_value(nothing: Any, tmp_path: Path) -> None:
    index = make(2).with_columns(quarantine=pd.Series([nothing, "empty"], dtype=object))
    plainly = make(2).with_columns(quarantine=[None, "empty"])
    assert index.digest() == plainly.digest()
    assert len(index.usable()) == 1
    index.save(tmp_path / "index.parquet")
    assert plain(ImageIndex.load(tmp_path / "index.parquet")) == plain(plainly)


def test_index__empty_is_an_index_too(tmp_path: Path) -> None:
    empty = ImageIndex.from_rows(Path("r"), [])
    empty.save(tmp_path / "index.parquet")
    again = ImageIndex.load(tmp_path / "index.parquet")
    assert (len(again), again.classes, again.paths) == (0, (), [])
    assert again.digest() == empty.digest()


def test_index__changing_a_copy_leaves_the_original() -> None:
    index = make(3)
    before = index.digest()
    changed = index.with_columns(label="z", split="train")
    assert set(changed.frame["label"]) == {"z"}
    assert index.digest() == before


def test_index__damaged_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    make(3).save(path)
    for content in (b"", b"PAR1", path.read_bytes()[:-9], path.read_bytes()[:40]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="is no image index"):
            ImageIndex.load(path)
    pq.write_table(pa.table({"colour": ["red"]}), path)
    with pytest.raises(DataError, match="is no image index"):
        ImageIndex.load(path)
    with pytest.raises(DataError, match="does not exist"):
        ImageIndex.load(tmp_path / "other.parquet")
