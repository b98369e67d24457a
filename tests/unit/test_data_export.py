"""An index written for other tools reads back as it was: COCO, YOLO, and the manifest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from inspection.config import ChecksConfig, DataConfig
from inspection.data.export import (
    COLUMNS,
    NAMELESS_MASK,
    to_coco,
    to_manifest,
    write_coco,
    write_manifest,
)
from inspection.data.export_yolo import BOX_AS_OUTLINE, NOTHING_DRAWN, PARTS_APART, to_yolo
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.readers.yolo_lines import parse_lines
from inspection.data.shapes import Region
from inspection.errors import DataError
from inspection.store import Store
from tests.reader_layouts import SIZE, coco_layout, picture, save, voc_layout

WIDTH, HEIGHT = SIZE


def read(root: Path, kind: str, **more: object) -> ImageIndex:
    config = DataConfig.model_validate({"kind": kind, "root": root, **more})
    return ingest(config, ChecksConfig(), store=Store(root / "store"), seed=0)


def region(label: str, x0: int, y0: int, x1: int, y1: int) -> dict[str, Any]:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return {"label": label, "counts": list(Region.of(label, mask).counts)}


def box(label: str, *sides: float) -> dict[str, Any]:
    return dict(zip(("x0", "y0", "x1", "y1"), map(float, sides), strict=True), label=label)


def row(path: str, label: str | None, **more: object) -> dict[str, Any]:
    return {"path": path, "label": label, "width": WIDTH, "height": HEIGHT, **more}


def drawn_index(root: Path) -> ImageIndex:
    """Every way to have boxes and regions, with image files below `images/` to read back with."""
    rows = [
        row("images/b.png", "dent", boxes=[box("dent", 1, 2, 9, 8)]),
        row("images/a/both.png", "dent", boxes=[box("crack", 0, 0, 3, 3), box("dent", 1.25, 2, 9, 8.5)],
            regions=[region("dent", 1, 2, 9, 8), region("crack", 20, 20, 30, 30)]),
        row("images/region.png", "stain", regions=[region("crack", 5, 5, 7, 9)]),
        row("images/good.png", "fine", split="train", group="g1"),
        row("images/none.png", None),
        row("images/bad.png", "dent", quarantine="truncated", boxes=[box("dent", 1, 2, 9, 8)]),
    ]  # fmt: skip
    for seed, each in enumerate(rows):
        save(root / each["path"], picture(seed))
    return ImageIndex.from_rows(root, rows)


def said(index: ImageIndex, *columns: str) -> dict[str, list[Any]]:
    return {
        each["path"]: [each[name] for name in columns]
        for each in index.usable().table().to_pylist()
    }


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


def boxes_only(index: ImageIndex) -> ImageIndex:
    return index.with_columns(regions=[[] for _ in range(len(index))])


def test_yolo__reads_back_the_boxes(tmp_path: Path) -> None:
    index = boxes_only(drawn_index(tmp_path / "data"))
    to_yolo(index, tmp_path / "out", images="copy")
    again = {Path(k).name: v for k, v in said(read(tmp_path / "out", "yolo"), "boxes").items()}
    wanted = {Path(k).name: v for k, v in said(index, "boxes").items() if v[0]}
    assert set(again) == set(wanted) == {"b.png", "both.png"}  # no boxes: annotation_missing
    for name, (boxes,) in wanted.items():
        assert len(boxes) == len(again[name][0])
        for found, each in zip(again[name][0], boxes, strict=True):
            assert found == pytest.approx(each, abs=1e-3)


def test_yolo__with_pixels_anywhere_everything_is_an_outline(tmp_path: Path) -> None:
    index = drawn_index(tmp_path / "data")
    written = to_yolo(index, tmp_path / "out", images="copy")
    found = said(read(tmp_path / "out", "yolo"), "boxes", "regions")
    assert found["images/unsplit/a/both.png"] == [
        [],
        [region("crack", 0, 0, 3, 3), region("dent", 1, 2, 9, 8), region("crack", 20, 20, 30, 30)],
    ]  # fmt: skip
    assert written.lost[BOX_AS_OUTLINE] == 2
    assert written.lost[NOTHING_DRAWN] == 1
    assert written.objects == {"crack": 3, "dent": 2}


def test_yolo__files(tmp_path: Path) -> None:
    to_yolo(drawn_index(tmp_path / "data"), tmp_path / "out")
    files = [p.relative_to(tmp_path / "out").as_posix() for p in sorted((tmp_path / "out").rglob("*.*"))]  # fmt: skip
    names = ["train/good", "unsplit/a/both", "unsplit/b", "unsplit/none", "unsplit/region"]
    assert files == ["data.yaml", *(f"labels/{name}.txt" for name in names), "train.txt"]
    assert yaml.safe_load((tmp_path / "out" / "data.yaml").read_text()) == {
        "train": "train.txt", "names": {0: "crack", 1: "dent"}
    }  # fmt: skip
    assert (tmp_path / "out" / "train.txt").read_text() == "./images/train/good.png\n"
    assert (tmp_path / "out" / "labels" / "train" / "good.txt").read_text() == ""
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


def test_yolo__parts_of_one_region_are_outlines_each(tmp_path: Path) -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[1:3, 1:3] = mask[20:24, 30:36] = True
    two = {"label": "dent", "counts": list(Region.of("dent", mask).counts)}
    save(tmp_path / "data" / "x.png", picture(1))
    index = ImageIndex.from_rows(tmp_path / "data", [row("x.png", "dent", regions=[two])])
    written = to_yolo(index, tmp_path / "out", images="copy")
    found = read(tmp_path / "out", "yolo").table().to_pylist()[0]["regions"]
    assert found == [region("dent", 1, 1, 3, 3), region("dent", 30, 20, 36, 24)]
    assert written.lost == {PARTS_APART: 1}


def test_yolo__names_that_yaml_would_misread(tmp_path: Path) -> None:
    labels = ("no", "12", "é: #")
    rows = [row("a.png", "no", boxes=[box(label, 1, 1, 5, 5) for label in labels])]
    save(tmp_path / "data" / "a.png", picture(1))
    index = ImageIndex.from_rows(tmp_path / "data", rows)
    to_yolo(index, tmp_path / "out", images="copy")
    found = read(tmp_path / "out", "yolo").table().to_pylist()[0]["boxes"]
    assert [each["label"] for each in found] == ["no", "12", "é: #"]


def test_yolo__refuses_a_folder_in_use_and_shared_label_files(tmp_path: Path) -> None:
    index = drawn_index(tmp_path / "data")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(DataError, match="is not empty; give a new folder"):
        to_yolo(index, tmp_path / "out")
    twins = [row("a.png", "dent", boxes=[box("dent", 1, 1, 5, 5)]), row("a.jpg", "dent")]
    with pytest.raises(DataError, match=r"'a\.png' shares the label file 'labels/a\.txt'"):
        to_yolo(ImageIndex.from_rows(tmp_path, twins), tmp_path / "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "out"]


def test_yolo__failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = drawn_index(tmp_path / "data")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inspection.data.export_yolo.yaml.safe_dump", full)
    with pytest.raises(OSError, match="No space"):
        to_yolo(index, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


SIDE = st.integers(1, 10**5)


@pytest.mark.fuzz
@given(
    width=SIDE, height=SIDE, shares=st.lists(st.floats(0, 1), min_size=4, max_size=4, unique=True)
)
def test_yolo__any_box_comes_back(
    width: int, height: int, shares: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    x0, x1 = sorted(round(share * width, 3) for share in shares[:2])
    y0, y1 = sorted(round(share * height, 3) for share in shares[2:])
    assume(x1 > x0 and y1 > y0)
    wide = {**row("a.png", "dent", boxes=[box("dent", x0, y0, x1, y1)]), "width": width, "height": height}  # fmt: skip
    folder = tmp_path_factory.mktemp("yolo") / "out"
    to_yolo(ImageIndex.from_rows(folder, [wide]), folder)
    found = parse_lines((folder / "labels" / "a.txt").read_bytes(), {0: "dent"})[0].box
    assert found is not None
    sides = (found.x0 * width, found.y0 * height, found.x1 * width, found.y1 * height)
    assert [round(side, 3) for side in sides] == pytest.approx([x0, y0, x1, y1], abs=1e-9)


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


def masked_index(root: Path, label: str | None, **more: object) -> ImageIndex:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[2:5, 3:9] = mask[20:24, 30:36] = 255
    save(root / "m.png", Image.fromarray(mask))
    save(root / "a.jpg", picture(1))
    return ImageIndex.from_rows(root, [row("a.jpg", label, mask_path="m.png", **more)])


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


def test_yolo__classes_of_undrawn_images_are_named(tmp_path: Path) -> None:
    rows = [row(f"{label}.png", label) for label in ("fine", "hidden")]
    rows.append(row("a.png", "dent", boxes=[box("dent", 1, 1, 5, 5)]))
    (note,) = to_yolo(ImageIndex.from_rows(tmp_path, rows), tmp_path / "out").notes
    assert "of 2 classes (fine, hidden)" in note
