"""Folders of classes, and folders of splits that hold them: told apart, never believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspection.config import SplitConfig
from inspection.data.own_split import own_split
from inspection.data.own_split import place as split_placed
from inspection.errors import DataError
from tests.reader_layouts import (
    folder_layout,
    picture,
    save,
)
from tests.reading import index_of, row


@pytest.mark.parametrize(
    "names", [("train", "test"), ("Train", "valid", "TEST"), ("train2017", "val2017"), ("train",)]
)
def test_folder__classes_lie_in_the_splits_that_somebody_made(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    for name in names:
        save(tmp_path / name / "good" / "deeper" / "1.png", picture(1))
    save(tmp_path / names[0] / "test" / "1.png", picture(2))  # below a split `test` may be a class
    save(tmp_path / names[0] / "stray.png", picture(3))
    index = index_of("folder", tmp_path)
    assert index.classes == ("good", "test")
    assert index.frame["split"].isna().all(), "the paths tell it, and place() decides"
    assert row(index, f"{names[0]}/test/1.png")["label"] == "test"
    stray = row(index, f"{names[0]}/stray.png")
    assert stray["label"] is None
    assert str(stray["warnings"]).count("label_missing") == 1


def test_folder__a_split_is_kept_or_made_anew_but_never_believed(tmp_path: Path) -> None:
    """The fault: three of four test images lie in train as well, byte for byte."""
    for label in ("good", "scratch"):
        for i in range(12):
            seed = i + 50 * (label == "good")
            save(tmp_path / "train" / label / f"{i}.png", picture(seed))
            if i < 3:
                save(tmp_path / "test" / label / f"copy {i}.png", picture(seed))
        save(tmp_path / "test" / label / "own.png", picture(90 + len(label)))
    index = index_of("folder", tmp_path)
    told = own_split(index).frame
    assert set(zip(told["path"].str.split("/").str[0], told["split"], strict=True)) == {
        ("train", "train"),
        ("test", "test"),
    }
    made = split_placed(index, SplitConfig(), seed=0).frame
    assert made.groupby("pixel_id")["split"].nunique().max() == 1
    assert (made["split"].to_numpy() != told["split"].to_numpy()).any()


@pytest.mark.parametrize("name", ["train", "Testing", "val2017"])
def test_folder__a_split_beside_classes_is_refused(name: str, tmp_path: Path) -> None:
    folder_layout(tmp_path)
    save(tmp_path / name / "good" / "1.png", picture(1))
    with pytest.raises(DataError, match=r"is the name of a split.*train/<class>.*rename") as caught:
        index_of("folder", tmp_path)
    assert f"'{name}'" in str(caught.value)
    assert "'good'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder__a_class_may_be_missing_in_a_split_but_not_in_all(tmp_path: Path) -> None:
    for name in ("train", "test"):
        save(tmp_path / name / "good" / "1.png", picture(1))
    (tmp_path / "test" / "dent").mkdir()
    with pytest.raises(DataError, match="class folder 'dent' holds no images"):
        index_of("folder", tmp_path)
    save(tmp_path / "train" / "dent" / "1.png", picture(2))
    assert index_of("folder", tmp_path).classes == ("dent", "good")
