"""One contract for every annotation format: a small real layout comes in whole, and each bad one says what is wrong."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inspection.config import ChecksConfig, DataConfig, SplitConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest, source_fingerprint
from inspection.data.own_split import own_split
from inspection.data.own_split import place as split_placed
from inspection.data.readers.registry import READERS
from inspection.data.readers.voc import parse_annotation
from inspection.errors import DataError
from inspection.store import Store
from tests.reader_layouts import (
    LAYOUTS,
    SIZE,
    folder_layout,
    mask_layout,
    picture,
    save,
    voc_layout,
    voc_xml,
)


def read(root: Path, kind: str, **more: object) -> ImageIndex:
    config = DataConfig.model_validate({"kind": kind, "root": root, **more})
    return ingest(config, ChecksConfig(), store=Store(root / "store"), seed=0)


def row(index: ImageIndex, path: str) -> dict[str, object]:
    found: list[dict[str, object]] = [r for r in index.table().to_pylist() if r["path"] == path]
    assert len(found) == 1, list(index.frame["path"])
    return found[0]


def test_layouts__cover_the_registry() -> None:
    assert set(LAYOUTS) == set(READERS)


@pytest.mark.parametrize("kind", READERS)
def test_reader__reads_a_clean_layout(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    index = read(tmp_path, kind)
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
    index = read(tmp_path / "data", kind)
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
        read(tmp_path / "data", kind)
    assert "data.root" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["folder", "mask_pairs"])
def test_reader__empty_class(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    (tmp_path / "dent" / "Imgs").mkdir(parents=True)
    with pytest.raises(DataError, match="class folder 'dent' holds no images"):
        read(tmp_path, kind)


def test_ingest__ok_class_must_exist(tmp_path: Path) -> None:
    folder_layout(tmp_path)
    with pytest.raises(DataError, match=r"ok_class.*'fine'.*good"):
        read(tmp_path, "folder", ok_class="fine")


def jpeg_bytes(seed: int = 9) -> bytes:
    stream = io.BytesIO()
    picture(seed).save(stream, format="JPEG")
    return stream.getvalue()


def huge_png(path: Path) -> None:
    """12,000 x 12,000 in 18 MB of memory: one bit a pixel."""
    Image.new("1", (12_000, 12_000)).save(path)


def sixteen_bit(path: Path) -> None:
    pixels = np.linspace(0, 65535, 40 * 32).reshape(32, 40).astype(np.uint16)
    assert cv2.imwrite(str(path), pixels)


def turned(path: Path) -> None:
    """A photograph whose EXIF says: turn me by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(8).save(path, exif=exif)


# name, how it is written, quarantine code or None, warning code or None
BAD_FILES: list[tuple[str, Callable[[Path], object], str | None, str | None]] = [
    ("cut.jpg", lambda p: p.write_bytes(jpeg_bytes()[:-200]), "truncated", None),
    ("zero.jpg", lambda p: p.write_bytes(b""), "empty", None),
    ("text.png", lambda p: p.write_text("not an image"), "unknown_format", None),
    ("dot.png", lambda p: save(p, picture(1, (1, 1))), "too_small", None),
    ("huge.png", huge_png, "too_large", None),
    ("png.jpg", lambda p: save(p, picture(2), "PNG"), None, "wrong_extension"),
    ("deep.png", sixteen_bit, None, "sixteen_bit"),
    ("ink.jpg", lambda p: save(p, picture(3, mode="CMYK")), None, "cmyk"),
    ("palette.png", lambda p: save(p, picture(4, mode="P")), None, "palette"),
    ("alpha.png", lambda p: save(p, picture(5, mode="RGBA")), None, "alpha_dropped"),
    ("turned.jpg", turned, None, "exif_orientation"),
    ("grey.png", lambda p: save(p, picture(6, mode="L")), None, None),
    ("ünïcode näme 例.png", lambda p: save(p, picture(7)), None, None),
]


@pytest.mark.parametrize(
    ("name", "write", "quarantine", "warning"), BAD_FILES, ids=[case[0] for case in BAD_FILES]
)
def test_ingest__one_odd_file(
    name: str,
    write: Callable[[Path], object],
    quarantine: str | None,
    warning: str | None,
    tmp_path: Path,
) -> None:
    folder_layout(tmp_path)
    write(tmp_path / "good" / name)
    index = read(tmp_path, "folder")
    found = row(index, f"good/{name}")
    assert found["quarantine"] == quarantine
    codes = [str(text).split(":")[0] for text in found["warnings"]]  # type: ignore[attr-defined]
    assert codes == ([warning] if warning else [])
    assert len(index.usable()) == 6 + (quarantine is None)
    if quarantine:
        assert len(str(found["detail"])) > 20
        assert "\n" not in str(found["detail"])
        assert str(tmp_path) not in str(found["detail"])


def test_ingest__link_out_of_the_root_is_not_followed(tmp_path: Path) -> None:
    folder_layout(tmp_path / "data")
    outside = save(tmp_path / "secret.png", picture(8))
    (tmp_path / "data" / "good" / "link.png").symlink_to(outside)
    found = row(read(tmp_path / "data", "folder"), "good/link.png")
    assert found["quarantine"] == "path_escapes_root"
    assert found["pixel_id"] is None


def test_ingest__dangling_link(tmp_path: Path) -> None:
    folder_layout(tmp_path)
    (tmp_path / "good" / "gone.png").symlink_to(tmp_path / "good" / "nowhere.png")
    assert row(read(tmp_path, "folder"), "good/gone.png")["quarantine"] == "missing"


def test_ingest__name_that_is_no_text(tmp_path: Path) -> None:
    folder_layout(tmp_path)
    save(tmp_path / "good" / "x.png", picture(1)).rename(tmp_path / "good" / "caf\udce9.png")
    index = read(tmp_path, "folder")
    assert row(index, "good/caf\\udce9.png")["quarantine"] == "name_not_utf8"
    index.save(tmp_path / "index.parquet")
    source_fingerprint(DataConfig(kind="folder", root=tmp_path))


def test_ingest__flat_folder_is_unlabelled(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.png", picture(i))
    index = read(tmp_path, "folder")
    assert index.classes == ()
    assert len(index.usable()) == 3


MASKS: list[tuple[str, Callable[[Path], object], str | None, str | None]] = [
    ("missing", lambda p: p.unlink(), "mask_missing", None),
    ("other size", lambda p: save(p, picture(1, (20, 20), "L")), "mask_size", None),
    ("broken", lambda p: p.write_bytes(b"\x89PNG\r\n"), "mask_undecodable", None),
    ("empty", lambda p: save(p, Image.new("L", SIZE)), None, "mask_empty"),
    ("grey below threshold", lambda p: save(p, Image.new("L", SIZE, 127)), None, "mask_empty"),
    ("grey at threshold", lambda p: save(p, Image.new("L", SIZE, 128)), None, None),
]


@pytest.mark.parametrize(
    ("name", "spoil", "quarantine", "warning"), MASKS, ids=[case[0] for case in MASKS]
)
def test_masks__one_bad_mask(
    name: str,
    spoil: Callable[[Path], object],
    quarantine: str | None,
    warning: str | None,
    tmp_path: Path,
) -> None:
    mask_layout(tmp_path)
    spoil(tmp_path / "MT_Crack" / "Imgs" / "exp1.png")
    found = row(read(tmp_path, "mask_pairs", ok_class="MT_Free"), "MT_Crack/Imgs/exp1.jpg")
    assert found["quarantine"] == quarantine
    codes = [str(text).split(":")[0] for text in found["warnings"]]  # type: ignore[attr-defined]
    assert codes == ([warning] if warning else [])


def test_masks__mask_without_image(tmp_path: Path) -> None:
    mask_layout(tmp_path)
    (tmp_path / "MT_Crack" / "Imgs" / "exp1.jpg").unlink()
    found = row(read(tmp_path, "mask_pairs"), "MT_Crack/Imgs/exp1.png")
    assert found["quarantine"] == "label_without_image"


BOXES: list[tuple[str, str, str | None]] = [
    ("outside", voc_xml("a", ("patches", 1, 1, 41, 10)), "box_out_of_bounds"),
    ("negative", voc_xml("a", ("patches", -3, 1, 10, 10)), "box_out_of_bounds"),
    ("degenerate", voc_xml("a", ("patches", 5, 5, 5, 9)), "box_degenerate"),
    ("inverted", voc_xml("a", ("patches", 9, 9, 5, 5)), "box_degenerate"),
    ("nan", voc_xml("a", ("patches", "nan", 1, 2, 3)), "annotation_unreadable"),
    ("words", voc_xml("a", ("patches", "one", 1, 2, 3)), "annotation_unreadable"),
    ("no name", voc_xml("a", ("", 1, 1, 2, 3)), "annotation_unreadable"),
    ("cut", "<annotation><object>", "annotation_unreadable"),
    ("empty file", "", "annotation_unreadable"),
    (
        "no corners",
        "<annotation><object><name>a</name></object></annotation>",
        "annotation_unreadable",
    ),
    ("bomb", '<!DOCTYPE x [<!ENTITY a "b">]><annotation/>', "annotation_unreadable"),
    ("escaping name", voc_xml("../../etc/secret.jpg"), "path_escapes_root"),
    ("absolute name", voc_xml("/etc/secret.jpg"), "path_escapes_root"),
    ("at the edge", voc_xml("a", ("patches", 0, 0, 40, 32)), None),
    ("comma in a float", voc_xml("a", ("patches", "1,5", 1, 2, 3)), "annotation_unreadable"),
    ("byte order mark", "﻿" + voc_xml("a", ("patches", 1, 1, 9, 9)), None),
]


@pytest.mark.parametrize(("name", "xml", "quarantine"), BOXES, ids=[case[0] for case in BOXES])
def test_voc__one_bad_annotation(
    name: str, xml: str, quarantine: str | None, tmp_path: Path
) -> None:
    voc_layout(tmp_path)
    (tmp_path / "annotations" / "patches_1.xml").write_text(xml, encoding="utf-8")
    found = row(read(tmp_path, "voc"), "images/patches_1.jpg")
    assert found["quarantine"] == quarantine


def test_voc__annotation_without_image_and_image_without_annotation(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    (tmp_path / "images" / "patches_1.jpg").unlink()
    (tmp_path / "annotations" / "patches_2.xml").unlink()
    index = read(tmp_path, "voc")
    assert row(index, "annotations/patches_1.xml")["quarantine"] == "label_without_image"
    assert row(index, "images/patches_2.jpg")["quarantine"] == "annotation_missing"


def test_voc__label_is_the_largest_area_or_the_pattern(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    xml = voc_xml("a", ("crazing", 0, 0, 9, 9), ("patches", 0, 0, 30, 30))
    (tmp_path / "annotations" / "crazing_1.xml").write_text(xml)
    by_area = row(read(tmp_path, "voc"), "images/crazing_1.jpg")
    by_name = row(read(tmp_path, "voc", label_pattern=r"^(.+)_\d+$"), "images/crazing_1.jpg")
    assert (by_area["label"], by_area["label_source"]) == ("patches", "box")
    assert (by_name["label"], by_name["label_source"]) == ("crazing", "filename")
    assert str(by_name["warnings"]).startswith("['box_label_differs")


@pytest.mark.fuzz
@given(st.binary(max_size=400))
def test_voc__no_bytes_crash_the_parser(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("xml") / "a.xml"
    path.write_bytes(data)
    expected = (ValueError, SyntaxError)  # ParseError is a SyntaxError
    try:
        boxes = parse_annotation(path).boxes
    except expected:
        return
    assert all(box.label for box in boxes)


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


def first_image(root: Path) -> Path:
    """An image of the layout that is no mask."""
    return next(p for p in sorted(root.rglob("*")) if p.suffix == ".jpg" or p.parent.name == "good")


def link_image_out(root: Path) -> str:
    victim = first_image(root)
    outside = root.parent / f"outside{victim.suffix}"
    victim.rename(outside)
    victim.symlink_to(outside)
    return victim.relative_to(root).as_posix()


def link_image_up(root: Path) -> str:
    """The same with a relative target full of '..'."""
    name = link_image_out(root)
    outside = (root / name).readlink()
    (root / name).unlink()
    (root / name).symlink_to(Path(*[".."] * len(Path(name).parts)) / outside.name)
    return name


def ring_of_links(root: Path) -> str:
    victim = first_image(root)
    victim.unlink()
    victim.symlink_to(victim.name)
    return victim.relative_to(root).as_posix()


def link_folder_out(root: Path) -> str:
    outside = root.parent / "elsewhere"
    save(outside / "a.jpg", picture(1))
    (root / "linked").symlink_to(outside, target_is_directory=True)
    return "linked"


def link_folder_in(root: Path) -> str:
    (root / "linked").symlink_to(first_image(root).parent, target_is_directory=True)
    return "linked"


def foreign_name(root: Path) -> str:
    victim = first_image(root)
    named = os.fsdecode(os.fsencode(victim.stem) + b"_\xff" + os.fsencode(victim.suffix))
    renamed = victim.with_name(named)
    victim.rename(renamed)
    return victim.with_name(f"{victim.stem}_\\udcff{victim.suffix}").relative_to(root).as_posix()


SPOILT: list[tuple[Callable[[Path], str], str]] = [
    (link_image_out, "path_escapes_root"),
    (link_image_up, "path_escapes_root"),
    (ring_of_links, "missing"),
    (link_folder_out, "path_escapes_root"),
    (link_folder_in, "linked_folder"),
    (foreign_name, "name_not_utf8"),
]


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(("spoil", "code"), SPOILT, ids=[case[0].__name__ for case in SPOILT])
def test_reader__one_path_that_cannot_be_used(
    kind: str, spoil: Callable[[Path], str], code: str, tmp_path: Path
) -> None:
    LAYOUTS[kind](tmp_path / "data")
    path = spoil(tmp_path / "data")
    index = read(tmp_path / "data", kind)
    found = row(index, path)
    assert found["quarantine"] == code
    assert found["pixel_id"] is None
    assert len(index.usable()) >= 5
    index.save(tmp_path / "index.parquet")
    assert ImageIndex.load(tmp_path / "index.parquet").digest() == index.digest()


@pytest.mark.parametrize("kind", READERS)
def test_reader__pattern_overrides_the_layout(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    index = read(tmp_path, kind, label_pattern=r"([0-2])(?:_te..)?$")
    assert index.classes == ("0", "1", "2")
    assert set(index.frame["label_source"]) == {"filename"}


@pytest.mark.parametrize("kind", READERS)
def test_reader__name_that_the_pattern_does_not_match(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    index = read(tmp_path, kind, label_pattern=r"([01])(?:_te..)?$")
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
        read(tmp_path, kind, label_pattern=pattern)
    assert str(caught.value).startswith("data.label_pattern")


@pytest.mark.parametrize("kind", ["folder", "mask_pairs"])
def test_reader__stray_image_beside_the_classes(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    save(tmp_path / "stray.jpg", picture(1))
    found = row(read(tmp_path, kind), "stray.jpg")
    assert (found["label"], found["quarantine"]) == (None, None)
    assert str(found["warnings"]).startswith("['label_missing")


@pytest.mark.parametrize("kind", READERS)
def test_reader__hidden_files_are_no_images(kind: str, tmp_path: Path) -> None:
    LAYOUTS[kind](tmp_path)
    place = first_image(tmp_path).parent
    (place / "._copied_by_a_mac.jpg").write_bytes(b"\0\5\x16\7")
    save(place / ".thumbnails" / "small.jpg", picture(1, (20, 20)))
    assert len(read(tmp_path, kind)) == 6


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_reader__closed_root(tmp_path: Path) -> None:
    folder_layout(tmp_path / "data")
    (tmp_path / "data").chmod(0)
    try:
        with pytest.raises(DataError, match="may not be read"):
            read(tmp_path / "data", "folder")
    finally:
        (tmp_path / "data").chmod(0o755)


def test_masks__mask_that_leads_outside(tmp_path: Path) -> None:
    mask_layout(tmp_path / "data")
    mask = tmp_path / "data" / "MT_Crack" / "Imgs" / "exp1.png"
    mask.rename(tmp_path / "mask.png")
    mask.symlink_to(tmp_path / "mask.png")
    found = row(read(tmp_path / "data", "mask_pairs"), "MT_Crack/Imgs/exp1.jpg")
    assert found["quarantine"] == "path_escapes_root"


def test_masks__good_part_with_a_marked_mask(tmp_path: Path) -> None:
    mask_layout(tmp_path)
    index = read(tmp_path, "mask_pairs", ok_class="MT_Crack")
    crack = row(index, "MT_Crack/Imgs/exp1.jpg")
    assert crack["quarantine"] is None
    assert "mask_not_empty" in str(crack["warnings"])


def test_masks__two_faults_are_both_named(tmp_path: Path) -> None:
    mask_layout(tmp_path)
    image = tmp_path / "MT_Crack" / "Imgs" / "exp1.jpg"
    image.write_bytes(image.read_bytes()[:-100])
    image.with_suffix(".png").unlink()
    found = row(read(tmp_path, "mask_pairs"), "MT_Crack/Imgs/exp1.jpg")
    assert found["quarantine"] == "mask_missing"
    assert "also truncated: " in str(found["detail"])


def test_masks__threshold_is_the_configured_one(tmp_path: Path) -> None:
    mask_layout(tmp_path)
    save(tmp_path / "MT_Crack" / "Imgs" / "exp1.png", Image.new("L", SIZE, 60))
    name = "MT_Crack/Imgs/exp1.jpg"
    assert row(read(tmp_path, "mask_pairs", mask_threshold=60), name)["warnings"] == []
    assert row(read(tmp_path, "mask_pairs", mask_threshold=61), name)["warnings"] != []


SIZES: list[tuple[str, str, str | None]] = [
    ("40", "32", None),
    ("0", "0", None),
    ("", "", None),
    ("inf", "32", None),
]
SIZES += [("80", "64", "annotation_size"), ("32", "40", "annotation_size")]
SIZES += [("wide", "32", "annotation_unreadable")]


@pytest.mark.parametrize(("width", "height", "code"), SIZES)
def test_voc__size_that_the_annotation_states(
    width: str, height: str, code: str | None, tmp_path: Path
) -> None:
    voc_layout(tmp_path)
    xml = voc_xml("a.jpg", ("patches", 1, 1, 9, 9))
    size = f"<size><width>{width}</width><height>{height}</height></size></annotation>"
    (tmp_path / "annotations" / "patches_1.xml").write_text(xml.replace("</annotation>", size))
    assert row(read(tmp_path, "voc"), "images/patches_1.jpg")["quarantine"] == code


def test_voc__boxes_come_through(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    found = row(read(tmp_path, "voc"), "images/crazing_1.jpg")
    assert found["boxes"] == [
        {"x0": 1.0, "y0": 2.0, "x1": 20.0, "y1": 30.0, "label": "crazing"},
        {"x0": 3.0, "y0": 3.0, "x1": 6.0, "y1": 6.0, "label": "patches"},
    ]


def test_voc__annotation_without_boxes_is_a_good_part(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    (tmp_path / "annotations" / "patches_1.xml").write_text(voc_xml("patches_1.jpg"))
    name = "images/patches_1.jpg"
    plain = row(read(tmp_path, "voc"), name)
    assert (plain["label"], plain["quarantine"]) == (None, None)
    good = row(read(tmp_path, "voc", ok_class="fine"), name)
    assert (good["label"], good["label_source"]) == ("fine", "no_boxes")


def test_voc__annotation_that_leads_outside(tmp_path: Path) -> None:
    voc_layout(tmp_path / "data")
    xml = tmp_path / "data" / "annotations" / "patches_1.xml"
    xml.rename(tmp_path / "secret.xml")
    xml.symlink_to(tmp_path / "secret.xml")
    found = row(read(tmp_path / "data", "voc"), "images/patches_1.jpg")
    assert (found["quarantine"], found["boxes"]) == ("path_escapes_root", [])


def test_voc__entities_in_another_encoding_are_seen(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    bomb = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><annotation/>'
    (tmp_path / "annotations" / "patches_1.xml").write_text(bomb, encoding="utf-16")
    found = row(read(tmp_path, "voc"), "images/patches_1.jpg")
    assert found["quarantine"] == "annotation_unreadable"
    assert "entities" in str(found["detail"])


def test_voc__annotation_too_large_to_be_one(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    (tmp_path / "annotations" / "patches_1.xml").write_bytes(b"<a>" + b" " * 4_000_001)
    found = row(read(tmp_path, "voc"), "images/patches_1.jpg")
    assert found["quarantine"] == "annotation_unreadable"


def test_voc__same_stem_in_two_folders(tmp_path: Path) -> None:
    """`images/a/1.jpg` belongs to `annotations/a/1.xml`, not to `annotations/b/1.xml`."""
    for place, label in (("a", "dent"), ("b", "rust"), ("c", "burr")):
        save(tmp_path / "JPEGImages" / place / "1.jpg", picture(ord(place)))
        folder = tmp_path / "Annotations" / place
        folder.mkdir(parents=True)
        (folder / "1.xml").write_text(voc_xml("1.jpg", (label, 1, 1, 9, 9)))
    labels = {r["path"]: r["label"] for r in read(tmp_path, "voc").table().to_pylist()}
    assert labels == {
        "JPEGImages/a/1.jpg": "dent",
        "JPEGImages/b/1.jpg": "rust",
        "JPEGImages/c/1.jpg": "burr",
    }


def test_voc__flat_annotations_of_nested_images(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    (tmp_path / "images" / "monday").mkdir()
    for path in sorted((tmp_path / "images").glob("*.jpg")):
        path.rename(path.parent / "monday" / path.name)
    index = read(tmp_path, "voc")
    assert len(index.usable()) == 6
    assert set(index.frame["path"].str.split("/").str[1]) == {"monday"}


@pytest.mark.parametrize("missing", ["images", "annotations"])
def test_voc__folder_missing(missing: str, tmp_path: Path) -> None:
    voc_layout(tmp_path)
    shutil.rmtree(tmp_path / missing)
    with pytest.raises(DataError, match=f"no folder {missing}"):
        read(tmp_path, "voc")


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
    return read(tmp_path / "frames", "folder")


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
    index = read(tmp_path, "folder")
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
    index = read(tmp_path, "folder")
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
        read(tmp_path, "folder")
    assert f"'{name}'" in str(caught.value)
    assert "'good'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder__a_class_may_be_missing_in_a_split_but_not_in_all(tmp_path: Path) -> None:
    for name in ("train", "test"):
        save(tmp_path / name / "good" / "1.png", picture(1))
    (tmp_path / "test" / "dent").mkdir()
    with pytest.raises(DataError, match="class folder 'dent' holds no images"):
        read(tmp_path, "folder")
    save(tmp_path / "train" / "dent" / "1.png", picture(2))
    assert read(tmp_path, "folder").classes == ("dent", "good")


def test_ingest__a_line_break_in_a_name_sets_that_file_aside(tmp_path: Path) -> None:
    folder_layout(tmp_path)
    save(tmp_path / "good" / "new\nline.png", picture(9))
    found = row(read(tmp_path, "folder"), "good/new\nline.png")
    assert found["quarantine"] == "name_control_character"
    assert "rename it" in str(found["detail"])
