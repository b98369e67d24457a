"""The index keeps what it is told, through disk and back, and refuses what it cannot hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
            "label": words,
            "group": words,
            "quarantine": words,
            "boxes": boxes,
            "warnings": st.lists(st.text(max_size=8), max_size=2),
            "brightness": st.one_of(st.none(), st.floats(0, 255, width=32)),
        },
    ),
    max_size=6,
    unique_by=lambda row: row["path"],
)


def plain(index: ImageIndex) -> list[dict[str, Any]]:
    return index.table().to_pylist()


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
