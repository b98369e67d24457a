"""`plumbline data export` refuses places and data it must not write to or from, and leaves everything as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inspection.data.index import ImageIndex
from tests.contracts.export_material import command, hashes, refusal
from tests.reader_layouts import folder_layout, picture, save


def test_yolo__classes_alone_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_layout(tmp_path / "data")
    command(capsys, "import", "data", "--kind", "folder")
    fault = refusal(capsys, "export", "index.parquet", "out", "--to", "yolo")
    assert "no place for an image's class: export as coco or manifest" in fault
    assert not Path("out").exists()


def test_yolo__an_image_that_is_gone(
    data: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "MT_Free" / "Imgs" / "exp1.jpg").unlink()
    fault = refusal(capsys, "export", index, "out", "--to", "yolo")
    assert "'MT_Free/Imgs/exp1.jpg' is not below" in fault
    assert sorted(path.name for path in data.parent.iterdir()) == ["data", "index.parquet"]


@pytest.mark.parametrize(("to", "target"), [("coco", "x.json"), ("yolo", "x")])
def test_mask_of_another_size_is_no_clean_image(
    to: str, target: str, data: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(data / "MT_Crack" / "Imgs" / "exp0.png", picture(1, (8, 8)))
    assert "(mask_size)" in refusal(capsys, "export", index, target, "--to", to)
    assert not Path(target).exists()


BAD_PLACES = [
    ("index.parquet", "manifest", "is the index or its journal"),
    ("hard.parquet", "manifest", "is the index or its journal"),
    ("index.parquet.edits.json", "coco", "is the index or its journal"),
    ("data/x.json", "coco", "lies inside the image folder"),
    ("data/MT_Free/new", "yolo", "lies inside the image folder"),
    ("way/x.json", "coco", "lies inside the image folder"),
    ("out/../data/x.csv", "manifest", "lies inside the image folder"),
    (".", "yolo", "holds the image folder"),
    ("mine.json", "coco", "'mine.json' exists: remove it or give another path"),
    ("ring.csv", "manifest", "exists: remove it"),
    ("full", "yolo", "'full' exists: remove it or give another path"),
    ("folder.json", "coco", "exists: remove it"),
    ("mine.json/x.json", "coco", "is a file, not a folder: give another path"),
    ("/proc/nothing/x.json", "coco", "cannot be written"),
    ("/proc/nothing/x", "yolo", "cannot be written"),
    ("x.txt", "coco", "ends in .json"),
]


@pytest.mark.parametrize(("target", "to", "words"), BAD_PLACES)
def test_places_that_are_refused(
    target: str, to: str, words: str, data: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.link(index, "hard.parquet")
    Path("way").symlink_to(data)
    Path("ring.csv").symlink_to("ring.csv")
    Path("mine.json").write_text("mine")
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    Path("folder.json").mkdir()
    before = hashes(data.parent)
    assert words in refusal(capsys, "export", index, target, "--to", to)
    assert hashes(data.parent) == before


def test_nothing_is_written_twice(
    data: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    for target, to in (("a.json", "coco"), ("empty", "yolo"), ("a.csv", "manifest")):
        command(capsys, "export", index, target, "--to", to)
        before = hashes(data.parent)
        assert "exists: remove it" in refusal(capsys, "export", index, target, "--to", to)
        assert hashes(data.parent) == before


def test_an_index_without_a_usable_image(
    data: Path, index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = ImageIndex.load(index)
    table.with_columns(quarantine="truncated").save(index)
    for target, to in (("a.json", "coco"), ("out", "yolo"), ("a.csv", "manifest")):
        fault = refusal(capsys, "export", index, target, "--to", to)
        assert "none of its 6 images is usable (6 x truncated)" in fault
        assert not Path(target).exists()
