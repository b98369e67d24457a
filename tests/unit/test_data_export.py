"""An index written for other tools reads back as it was: COCO and the manifest, masks with their boxes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from inspection.data.export import (
    COLUMNS,
    NAMELESS_MASK,
    to_coco,
    to_manifest,
    write_coco,
    write_manifest,
)
from inspection.data.index import ImageIndex
from tests.reader_layouts import coco_layout, voc_layout
from tests.unit.data_export_material import box, drawn_index, masked_index, read, region, said


def test_coco__reads_back_the_same(tmp_path: Path) -> None:
    index = drawn_index(tmp_path)
    write_coco(index, tmp_path / "annotations" / "all.json")
    (tmp_path / "images" / "bad.png").unlink()
    again = read(tmp_path, "coco")
    columns = ("label", "boxes", "regions", "quarantine")
    assert said(again, *columns) == said(index, *columns)


def test_coco__box_and_its_region_are_one_annotation(tmp_path: Path) -> None:
    document = to_coco(drawn_index(tmp_path))
    paths = [image["file_name"] for image in document["images"]]
    assert paths == sorted(paths)
    assert [image["id"] for image in document["images"]] == [1, 2, 3, 4, 5]
    assert document["categories"] == [{"id": 1, "name": "crack"}, {"id": 2, "name": "dent"}]
    first = [each for each in document["annotations"] if each["image_id"] == 1]
    shapes = [bool(each["segmentation"]) for each in first]
    derived = ["bbox_derived" in each for each in first]
    assert list(zip(shapes, derived, strict=True)) == [(False, False), (True, False), (True, True)]
    assert [each["bbox"] for each in first[:2]] == [[0, 0, 3, 3], [1.25, 2, 7.75, 6.5]]
    assert first[2]["bbox"] == [20, 20, 10, 10]
    assert [each["area"] for each in first] == [9, 48, 100]
    assert [each["id"] for each in document["annotations"]] == [1, 2, 3, 4, 5]


def test_coco__same_index_same_bytes(tmp_path: Path) -> None:
    index = drawn_index(tmp_path)
    shuffled = ImageIndex(tmp_path, index.frame.iloc[::-1].reset_index(drop=True))
    assert list(shuffled.frame["path"]) != list(index.frame["path"])
    assert json.dumps(to_coco(index)) == json.dumps(to_coco(shuffled))


def test_coco__other_tools_read_it(tmp_path: Path) -> None:
    judge = pytest.importorskip("pycocotools.coco")
    write_coco(drawn_index(tmp_path), tmp_path / "all.json")
    coco = judge.COCO(str(tmp_path / "all.json"))
    masks = [coco.annToMask(each) for each in coco.loadAnns(coco.getAnnIds(imgIds=[1]))[1:]]
    assert [int(mask.sum()) for mask in masks] == [48, 100]
    assert masks[1][20:30, 20:30].all()


@pytest.mark.parametrize("layout", [coco_layout, voc_layout])
def test_coco__real_layouts_come_back(layout: Any, tmp_path: Path) -> None:
    layout(tmp_path)
    index = read(tmp_path, layout.__name__.removesuffix("_layout"))
    shutil.copytree(tmp_path / "images", tmp_path / "new" / "images")
    write_coco(index, tmp_path / "new" / "all.json")
    assert said(read(tmp_path / "new", "coco"), "label", "boxes", "regions") == said(
        index, "label", "boxes", "regions"
    )


def test_manifest__columns_and_json(tmp_path: Path) -> None:
    frame = to_manifest(drawn_index(tmp_path))
    assert list(frame.columns) == list(COLUMNS)
    assert len(frame) == 5
    rows = frame.set_index("path").to_dict("index")
    assert json.loads(rows["images/b.png"]["boxes"]) == [box("dent", 1, 2, 9, 8)]
    assert json.loads(rows["images/region.png"]["regions"]) == [region("crack", 5, 5, 7, 9)]
    good = rows["images/good.png"]
    assert {name: value for name, value in good.items() if value} == {
        "label": "fine", "split": "train", "group": "g1"
    }  # fmt: skip
    assert rows["images/none.png"]["label"] is None


def test_manifest__of_nothing(tmp_path: Path) -> None:
    frame = to_manifest(drawn_index(tmp_path).split("test"))
    assert (len(frame.columns), len(frame)) == (len(COLUMNS), 0)
    assert to_coco(drawn_index(tmp_path).split("test"))["images"] == []


def test_manifest__reads_back_the_same(tmp_path: Path) -> None:
    index = drawn_index(tmp_path)
    index = index.with_columns(split=index.frame["split"].mask(index.frame["label"].notna(), "val"))
    write_manifest(index, tmp_path / "manifest.csv")
    columns = ("label", "boxes", "regions", "split")
    assert said(read(tmp_path, "manifest"), *columns) == said(index, *columns)


def test_manifest__half_a_split_is_told(tmp_path: Path) -> None:
    (note,) = write_manifest(drawn_index(tmp_path), tmp_path / "m.csv").notes
    assert "3 images have a label and no split" in note


def test_mask__without_a_label_is_counted(tmp_path: Path) -> None:
    written = write_coco(masked_index(tmp_path, None), tmp_path / "all.json")
    assert (written.objects, written.lost) == ({}, {NAMELESS_MASK: 1})


def test_mask__of_class_numbers_is_in_the_regions_already(tmp_path: Path) -> None:
    index = masked_index(
        tmp_path, "dent", source="index_masks", regions=[region("dent", 3, 2, 9, 5)]
    )
    assert len(to_coco(index)["annotations"]) == 1
    assert to_manifest(index)["mask_path"].tolist() == [None]
    assert to_manifest(masked_index(tmp_path, "dent"))["mask_path"].tolist() == ["m.png"]


def test_mask__parts_join_the_boxes_that_hold_them(tmp_path: Path) -> None:
    boxes = [box("dent", 30, 20, 36, 24), box("dent", 3, 2, 9, 5), box("dent", 0, 10, 4, 14)]
    found = to_coco(masked_index(tmp_path, "dent", boxes=boxes))["annotations"]
    assert [each["bbox"] for each in found] == [[30, 20, 6, 4], [3, 2, 6, 3], [0, 10, 4, 4]]
    assert [bool(each["segmentation"]) for each in found] == [True, True, False]
    assert not any("bbox_derived" in each for each in found)
