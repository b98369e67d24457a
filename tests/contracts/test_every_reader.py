"""One contract for every annotation format: a small real layout comes in whole, and each bad one says what is wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from inspection.config import ChecksConfig, DataConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest, source_fingerprint
from inspection.data.readers.registry import READERS
from inspection.errors import DataError
from inspection.store import Store
from tests.reader_layouts import (
    LAYOUTS,
    SIZE,
    folder_layout,
    picture,
    save,
)
from tests.reading import index_of, row


def test_layouts__cover_the_registry() -> None:
    assert set(LAYOUTS) == set(READERS)


@pytest.mark.parametrize("kind", READERS)
def test_reader__reads_a_clean_layout(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    index = index_of(kind, tmp_path)
    assert len(index) == len(index.usable()) == 6
    assert len(index.classes) == 2
    assert set(index.frame["source"]) == {kind}
    assert index.frame["label_source"].notna().all()
    assert set(zip(index.frame["width"], index.frame["height"], strict=True)) == {SIZE}
    assert index.frame[["brightness", "contrast", "sharpness", "pixel_id"]].notna().all().all()
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("kind", READERS)
def test_reader__survives_disk(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path / "data")
    index = index_of(kind, tmp_path / "data")
    index.save(tmp_path / "index.parquet")
    again = ImageIndex.load(tmp_path / "index.parquet")
    assert again.table().to_pylist() == index.table().to_pylist()


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda _root: None, "does not exist"),
        (lambda root: root.write_text("a file"), "is a file"),
        (lambda root: root.mkdir(), "no "),
    ],
    ids=["missing root", "root is a file", "nothing inside"],
)
def test_reader__no_data_set(
    kind: str, prepare: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    prepare(tmp_path / "data")
    with pytest.raises(DataError, match=message) as caught:
        index_of(kind, tmp_path / "data")
    assert "data.root" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "mask_pairs"])
def test_reader__empty_class(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    (tmp_path / "dent" / "Imgs").mkdir(parents=True)
    with pytest.raises(DataError, match="class folder 'dent' holds no images"):
        index_of(kind, tmp_path)


def test_ingest__ok_class_must_exist(tmp_path: Path) -> None:
    folder_layout(tmp_path)
    with pytest.raises(DataError, match=r"ok_class.*'fine'.*good"):
        index_of("folder", tmp_path, ok_class="fine")


def test_ingest__flat_folder_is_unlabelled(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.png", picture(i))
    index = index_of("folder", tmp_path)
    assert index.classes == ()
    assert len(index.usable()) == 3


@pytest.mark.parametrize("kind", READERS)
def test_fingerprint__changes_with_the_files(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    config = DataConfig.model_validate({"kind": kind, "root": tmp_path})
    before = source_fingerprint(config)
    assert source_fingerprint(config) == before
    victim = next(iter(sorted(tmp_path.rglob("*.png" if kind != "voc" else "*.xml"))))
    victim.write_bytes(victim.read_bytes() + b" ")
    changed = source_fingerprint(config)
    victim.unlink()
    assert len({before, changed, source_fingerprint(config)}) == 3


@pytest.mark.parametrize("kind", READERS)
def test_reader__pattern_overrides_the_layout(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    index = index_of(kind, tmp_path, label_pattern=r"([0-2])(?:_te..)?$")
    assert index.classes == ("0", "1", "2")
    assert set(index.frame["label_source"]) == {"filename"}


@pytest.mark.parametrize("kind", READERS)
def test_reader__name_that_the_pattern_does_not_match(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    index = index_of(kind, tmp_path, label_pattern=r"([01])(?:_te..)?$")
    lost = index.where(index.frame["quarantine"].notna())
    assert set(lost.frame["quarantine"]) == {"label_unmatched"}
    assert len(lost) == 2
    assert all("data.label_pattern '([01])(?:_te..)?$'" in text for text in lost.frame["detail"])


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "no regular expression"), ("^.+$", "has no group"), (r"^(?:a)\d", "has no group")],
)
def test_reader__pattern_that_cannot_work(
    kind: str, pattern: str, message: str, tmp_path: Path
) -> None:
    LAYOUTS[kind](tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        index_of(kind, tmp_path, label_pattern=pattern)
    assert str(caught.value).startswith("data.label_pattern")


@pytest.mark.parametrize("kind", ["folder", "mask_pairs"])
def test_reader__stray_image_beside_the_classes(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    save(tmp_path / "stray.jpg", picture(1))
    found = row(index_of(kind, tmp_path), "stray.jpg")
    assert (found["label"], found["quarantine"]) == (None, None)
    assert str(found["warnings"]).startswith("['label_missing")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_reader__closed_root(tmp_path: Path) -> None:
    folder_layout(tmp_path / "data")
    (tmp_path / "data").chmod(0)
    try:
        with pytest.raises(DataError, match="may not be read"):
            index_of("folder", tmp_path / "data")
    finally:
        (tmp_path / "data").chmod(0o755)


def test_fingerprint__sees_a_new_empty_class(tmp_path: Path) -> None:
    folder_layout(tmp_path)
    config = DataConfig(kind="folder", root=tmp_path)
    before = source_fingerprint(config)
    (tmp_path / "dent").mkdir()
    assert source_fingerprint(config) != before


@pytest.mark.assets
@pytest.mark.parametrize(
    ("kind", "name", "options", "images", "classes"),
    [
        ("mask_pairs", "magnetic_tile", {"ok_class": "MT_Free"}, 1010, 6),
        ("voc", "neu_det", {"label_pattern": r"^(.+)_\d+$"}, 1200, 6),
        ("folder", "flowers", {}, 4317, 5),
    ],
)
def test_reader__real_data_set(
    assets: Path,
    tmp_path: Path,
    kind: str,
    name: str,
    options: dict[str, str],
    images: int,
    classes: int,
) -> None:
    config = DataConfig.model_validate({"kind": kind, "root": assets / "data" / name, **options})
    index = ingest(config, ChecksConfig(), store=Store(tmp_path), seed=0)
    assert len(index) == images
    assert len(index.classes) == classes
    assert index.frame["quarantine"].isna().all()


@pytest.mark.assets
def test_reader__pipe_frames_each_fault_named(assets: Path, tmp_path: Path) -> None:
    """Wrong extensions and transparency, as the independent decoder sees them."""
    root = assets / "data" / "pipe_frames"
    index = read_copy(root, tmp_path)
    for found in index.table().to_pylist():
        codes = {text.split(":")[0] for text in found["warnings"]}
        with Image.open(root / found["path"]) as image:
            assert ("wrong_extension" in codes) == (image.format != "JPEG")
            assert ("alpha_dropped" in codes) == (image.mode in ("RGBA", "LA"))
    exact = index.frame["pixel_id"].duplicated(keep=False)
    assert exact.any(), "the set is known to hold duplicates"


def read_copy(root: Path, tmp_path: Path) -> ImageIndex:
    shutil.copytree(root, tmp_path / "frames")
    return index_of("folder", tmp_path / "frames")
