"""Boxes in Pascal VOC's XML: what comes through, and what each bad annotation says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.data.readers.voc import parse_annotation
from inspection.errors import DataError
from tests.reader_layouts import (
    picture,
    save,
    voc_layout,
    voc_xml,
)
from tests.reading import index_of, row

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
    found = row(index_of("voc", tmp_path), "images/patches_1.jpg")
    assert found["quarantine"] == quarantine


def test_voc__annotation_without_image_and_image_without_annotation(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    (tmp_path / "images" / "patches_1.jpg").unlink()
    (tmp_path / "annotations" / "patches_2.xml").unlink()
    index = index_of("voc", tmp_path)
    assert row(index, "annotations/patches_1.xml")["quarantine"] == "label_without_image"
    assert row(index, "images/patches_2.jpg")["quarantine"] == "annotation_missing"


def test_voc__label_is_the_largest_area_or_the_pattern(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    xml = voc_xml("a", ("crazing", 0, 0, 9, 9), ("patches", 0, 0, 30, 30))
    (tmp_path / "annotations" / "crazing_1.xml").write_text(xml)
    by_area = row(index_of("voc", tmp_path), "images/crazing_1.jpg")
    by_name = row(index_of("voc", tmp_path, label_pattern=r"^(.+)_\d+$"), "images/crazing_1.jpg")
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
    assert row(index_of("voc", tmp_path), "images/patches_1.jpg")["quarantine"] == code


def test_voc__boxes_come_through(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    found = row(index_of("voc", tmp_path), "images/crazing_1.jpg")
    assert found["boxes"] == [
        {"x0": 1.0, "y0": 2.0, "x1": 20.0, "y1": 30.0, "label": "crazing"},
        {"x0": 3.0, "y0": 3.0, "x1": 6.0, "y1": 6.0, "label": "patches"},
    ]


def test_voc__annotation_without_boxes_is_a_good_part(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    (tmp_path / "annotations" / "patches_1.xml").write_text(voc_xml("patches_1.jpg"))
    name = "images/patches_1.jpg"
    plain = row(index_of("voc", tmp_path), name)
    assert (plain["label"], plain["quarantine"]) == (None, None)
    good = row(index_of("voc", tmp_path, ok_class="fine"), name)
    assert (good["label"], good["label_source"]) == ("fine", "no_boxes")


def test_voc__annotation_that_leads_outside(tmp_path: Path) -> None:
    voc_layout(tmp_path / "data")
    xml = tmp_path / "data" / "annotations" / "patches_1.xml"
    xml.rename(tmp_path / "secret.xml")
    xml.symlink_to(tmp_path / "secret.xml")
    found = row(index_of("voc", tmp_path / "data"), "images/patches_1.jpg")
    assert (found["quarantine"], found["boxes"]) == ("path_escapes_root", [])


def test_voc__entities_in_another_encoding_are_seen(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    bomb = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]><annotation/>'
    (tmp_path / "annotations" / "patches_1.xml").write_text(bomb, encoding="utf-16")
    found = row(index_of("voc", tmp_path), "images/patches_1.jpg")
    assert found["quarantine"] == "annotation_unreadable"
    assert "entities" in str(found["detail"])


def test_voc__annotation_too_large_to_be_one(tmp_path: Path) -> None:
    voc_layout(tmp_path)
    (tmp_path / "annotations" / "patches_1.xml").write_bytes(b"<a>" + b" " * 4_000_001)
    found = row(index_of("voc", tmp_path), "images/patches_1.jpg")
    assert found["quarantine"] == "annotation_unreadable"


def test_voc__same_stem_in_two_folders(tmp_path: Path) -> None:
    """`images/a/1.jpg` belongs to `annotations/a/1.xml`, not to `annotations/b/1.xml`."""
    for place, label in (("a", "dent"), ("b", "rust"), ("c", "burr")):
        save(tmp_path / "JPEGImages" / place / "1.jpg", picture(ord(place)))
        folder = tmp_path / "Annotations" / place
        folder.mkdir(parents=True)
        (folder / "1.xml").write_text(voc_xml("1.jpg", (label, 1, 1, 9, 9)))
    labels = {r["path"]: r["label"] for r in index_of("voc", tmp_path).table().to_pylist()}
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
    index = index_of("voc", tmp_path)
    assert len(index.usable()) == 6
    assert set(index.frame["path"].str.split("/").str[1]) == {"monday"}


@pytest.mark.parametrize("missing", ["images", "annotations"])
def test_voc__folder_missing(missing: str, tmp_path: Path) -> None:
    voc_layout(tmp_path)
    shutil.rmtree(tmp_path / missing)
    with pytest.raises(DataError, match=f"no folder {missing}"):
        index_of("voc", tmp_path)
