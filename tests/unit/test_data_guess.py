"""The layout of a folder tells its reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspection.data.readers.guess import LAYOUTS, guess_kind
from inspection.data.readers.registry import READERS
from inspection.errors import DataError

FILES: dict[str, dict[str, str]] = {
    "severstal": {"train.csv": "ImageId,ClassId,EncodedPixels\n", "train_images/a.jpg": ""},
    "template_pairs": {"g/00_temp.jpg": "", "g/00_test.jpg": "", "g/00.txt": "1 2 3 4 1"},
    "voc": {"images/a.jpg": "", "annotations/a.xml": "<annotation/>"},
    "coco": {"images/a.jpg": "", "instances.json": '{"images": [], "annotations": []}'},
    "yolo": {"images/a.jpg": "", "labels/a.txt": "0 0.5 0.5 0.1 0.1"},
    "manifest": {"manifest.csv": "path,label\na.jpg,ok\n", "a.jpg": ""},
    "mask_pairs": {"MT_Free/Imgs/a.jpg": "", "MT_Free/Imgs/a.png": ""},
    "index_masks": {"images/a.png": "", "masks/a.png": ""},
    "folder": {"ok/a.png": "", "bad/b.png": ""},
}


def laid_out(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize("kind", FILES)
def test_every_layout_is_recognised(tmp_path: Path, kind: str) -> None:
    assert guess_kind(laid_out(tmp_path, FILES[kind])) == kind


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("yolo", {"a.jpg": "", "a.txt": "0 0.5 0.5 0.1 0.1"}),
        ("yolo", {"data.yaml": "names: [a]", "train/images/a.jpg": ""}),
        ("manifest", {"index.parquet": "", "a.jpg": ""}),
        ("folder", {"ok/a.png": "", "ok/a.txt": "looked at by hand", "bad/b.png": ""}),
        ("folder", {"ok/a.png": "", "settings.json": "{}", "bad/b.png": ""}),
    ],
)
def test_what_tells_them_apart(tmp_path: Path, kind: str, files: dict[str, str]) -> None:
    assert guess_kind(laid_out(tmp_path, files)) == kind


def test_every_reader_has_a_layout() -> None:
    assert set(LAYOUTS) == set(READERS) == set(FILES)


def test_a_folder_without_a_layout_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not look like any layout"):
        guess_kind(laid_out(tmp_path, {"a.png": "", "b.png": ""}))
