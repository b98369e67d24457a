"""COCO: what each odd or broken file says, and that no bytes give anything but items or one clear sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inspection.config import ChecksConfig, DataConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.errors import DataError
from inspection.store import Store
from tests.reader_layouts import coco_layout, picture, save

FILE = "annotations/instances_train.json"
Document = dict[str, Any]
Change = Callable[[Document], object]


def read(root: Path, **more: object) -> ImageIndex:
    config = DataConfig.model_validate({"kind": "coco", "root": root, **more})
    return ingest(config, ChecksConfig(), store=Store(root / "store"), seed=0)


def rows(root: Path, **more: object) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in read(root, **more).table().to_pylist()}


def changed(root: Path, change: Change) -> Path:
    """The clean layout with one change in its JSON."""
    coco_layout(root)
    document = json.loads((root / FILE).read_text())
    change(document)
    (root / FILE).write_text(json.dumps(document))
    return root


def put(part: str, position: int, **values: object) -> Change:
    return lambda document: document[part][position].update(values)


def drop(part: str, position: int, key: str) -> Change:
    return lambda document: document[part][position].pop(key)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


TEXTS: list[tuple[str, bytes, str]] = [
    ("empty", b"", "is no JSON, or cut short"),
    ("cut", b'{"images": [{"id": 1, "file_na', "cut short"),
    ("not UTF-8", b'{"images": "\xff"}', "is no JSON"),
    ("a list", b"[]", "is a list, an object with images"),
    ("a number", b"3", "is 3, an object"),
    ("deep", nested(100_000), "nested too deeply"),
    ("endless number", b'{"images": ' + b"1" * 5000 + b"}", "is no JSON"),
    ("no images", b'{"annotations": [], "categories": []}', "has no 'images'"),
    ("images null", b'{"images": null, "annotations": [], "categories": []}', "'images' is null"),
    ("nothing listed", b'{"images": [], "annotations": [], "categories": []}', r"lists \(0\)"),
]


@pytest.mark.parametrize(("name", "data", "words"), TEXTS, ids=[case[0] for case in TEXTS])
def test_file__that_cannot_be_used(name: str, data: bytes, words: str, tmp_path: Path) -> None:
    coco_layout(tmp_path)
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(DataError, match=words) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)
    assert "instances_train.json" in str(caught.value)


CONTRADICTIONS: list[tuple[str, Change, str]] = [
    ("no annotations", lambda d: d.pop("annotations"), "has no 'annotations'"),
    ("categories an object", lambda d: d.update(categories={}), "'categories' is an object"),
    ("image a string", lambda d: d["images"].append("x"), r"images\[6\] is 'x'"),
    ("image without id", drop("images", 1, "id"), r"images\[1\] has no 'id'"),
    ("image without name", drop("images", 1, "file_name"), r"images\[1\] has no 'file_name'"),
    ("name a number", put("images", 1, file_name=7), "file_name is 7, not a file's name"),
    ("name empty", put("images", 1, file_name="./"), r"file_name is '\./'"),
    ("image id text", put("images", 1, id="1"), r"images\[1\].id is '1', not a whole number"),
    ("image id NaN", put("images", 1, id=float("nan")), "id is nan, not a whole number"),
    ("image id twice", put("images", 1, id=0), r"images\[1\].id 0 is stated twice"),
    ("annotation id twice", put("annotations", 1, id=0), r"annotations\[1\].id 0 is stated twice"),
    ("category id twice", put("categories", 1, id=1), r"categories\[1\].id 1 is stated twice"),
    ("class a number", put("categories", 1, name=7), "name is 7, not text"),
    ("class empty", put("categories", 1, name=" "), "not a name that can be printed"),
    ("class half a character", put("categories", 1, name="\ud800"), "not a name that can be"),
    ("unknown class", put("annotations", 2, category_id=9), "category_id 9 is not among"),
    ("unknown image", put("annotations", 2, image_id=99), "image_id 99 is not among the images"),
    ("class null", put("annotations", 2, category_id=None), "category_id is null"),
    ("class true", put("annotations", 2, category_id=True), "category_id is true"),
    ("class a list", put("annotations", 2, category_id=[1]), "category_id is a list"),
]


@pytest.mark.parametrize(
    ("name", "change", "words"), CONTRADICTIONS, ids=[case[0] for case in CONTRADICTIONS]
)
def test_file__that_contradicts_itself(
    name: str, change: Change, words: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read(changed(tmp_path, change))
    assert str(caught.value).startswith("data.annotations: 'instances_train.json'")
    assert "\n" not in str(caught.value)


def runs(counts: object, size: object = (32, 40)) -> dict[str, object]:
    return {"segmentation": {"size": size, "counts": counts}}


# of dent_4.png's only annotation: the change, the quarantine code or None, words of its sentence
ROWS: list[tuple[str, Change, str | None, str]] = [
    ("negative x", put("annotations", 4, bbox=[-3, 1, 5, 5]), "box_out_of_bounds", "leaves the"),
    ("negative width", put("annotations", 4, bbox=[9, 9, -5, 5]), "box_degenerate", "no area"),
    ("no area", put("annotations", 4, bbox=[9, 9, 0, 5]), "box_degenerate", "no area"),
    ("too wide", put("annotations", 4, bbox=[20, 0, 20.1, 5]), "box_out_of_bounds", "leaves"),
    ("a hair too wide", put("annotations", 4, bbox=[12.3, 0.1, 27.70000000000001, 31.9]), None, ""),
    ("NaN", put("annotations", 4, bbox=[float("nan"), 1, 2, 3]), "annotation_unreadable", "finite"),
    ("endless", put("annotations", 4, bbox=[1e999, 1, 2, 3]), "annotation_unreadable", "finite"),
    ("huge", put("annotations", 4, bbox=[10**400, 1, 2, 3]), "annotation_unreadable", "larger"),
    ("text", put("annotations", 4, bbox=["1", 1, 2, 3]), "annotation_unreadable", "is '1', not"),
    ("true", put("annotations", 4, bbox=[True, 1, 2, 3]), "annotation_unreadable", "is true"),
    ("three numbers", put("annotations", 4, bbox=[1, 2, 3]), "annotation_unreadable", "list of 3"),
    ("box text", put("annotations", 4, bbox="1 2 3 4"), "annotation_unreadable", "bbox is '1 2"),
    ("neither", drop("annotations", 4, "bbox"), "annotation_unreadable", "neither bbox nor"),
    ("shape text", put("annotations", 4, segmentation="x"), "annotation_unreadable", "polygons or"),
    ("odd", put("annotations", 4, segmentation=[[1, 1, 5, 1, 5, 5, 9]]), "annotation_unreadable", "list of 7"),
    ("two points", put("annotations", 4, segmentation=[[1, 1, 5, 5]]), "annotation_unreadable", "three points"),
    ("point text", put("annotations", 4, segmentation=[[1, 1, 5, 1, 5, "5"]]), "annotation_unreadable", "'5'"),
    ("not nested", put("annotations", 4, segmentation=[1, 1, 5, 1, 5, 5]), None, ""),
    ("leaves", put("annotations", 4, segmentation=[[1, 1, 50, 1, 5, 5]]), "shape_out_of_bounds", "leaves"),
    ("runs", put("annotations", 4, **runs([0, 1280])), None, ""),
    ("short runs", put("annotations", 4, **runs([5, 10])), "runs_out_of_bounds", "15 pixels"),
    ("long runs", put("annotations", 4, **runs([5, 10, 9999])), "runs_out_of_bounds", "pixels"),
    ("negative run", put("annotations", 4, **runs([5, -10, 1285])), "runs_negative", "negative"),
    ("empty runs", put("annotations", 4, **runs([1280])), "shape_degenerate", "no pixel"),
    ("other size", put("annotations", 4, **runs([0, 1280], [40, 32])), "annotation_size", "32 x 40"),
    ("size text", put("annotations", 4, **runs([0, 1280], "x")), "annotation_unreadable", "size is 'x'"),
    ("size negative", put("annotations", 4, **runs([0, 1280], [-32, -40])), "annotation_unreadable", "-40"),
    ("half a run", put("annotations", 4, **runs([0.5, 1279.5])), "annotation_unreadable", "0.5, not"),
    ("no counts", put("annotations", 4, **runs(None)), "annotation_unreadable", "counts is null"),
    ("counts cut", put("annotations", 4, **runs("ooo")), "annotation_unreadable", "no compressed"),
    ("counts short", put("annotations", 4, **runs("52")), "runs_out_of_bounds", "7 pixels"),
    ("stated size", put("images", 4, width=41), "annotation_size", "41 x 32"),
    ("size unknown", put("images", 4, width=0, height=None), None, ""),
    ("width text", put("images", 4, width="40"), "annotation_unreadable", "width is '40'"),
    ("width negative", put("images", 4, width=-40), "annotation_unreadable", "-40 x 32"),
    ("crowd", put("annotations", 4, iscrowd=1), None, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change", "code", "words"), ROWS, ids=[case[0] for case in ROWS]
)  # fmt: skip
def test_row__one_image_at_fault(
    name: str, change: Change, code: str | None, words: str, tmp_path: Path
) -> None:
    found = rows(changed(tmp_path, change))
    assert found["images/dent_1.png"]["quarantine"] == code
    assert words in (found["images/dent_1.png"]["detail"] or "")
    assert "\n" not in (found["images/dent_1.png"]["detail"] or "")
    assert sum(row["quarantine"] is None for row in found.values()) == 6 - (code is not None)


@pytest.mark.parametrize(
    "name",
    ["../secret.jpg", "/etc/secret.jpg", "a/../../secret.jpg", "C:\\secret.jpg", "..\\x.jpg"],
)
def test_row__name_that_leads_outside_is_never_opened(name: str, tmp_path: Path) -> None:
    save(tmp_path / "secret.jpg", picture(1))
    found = rows(changed(tmp_path / "data", put("images", 4, file_name=name)))
    row = found[f"{FILE}#4"]
    assert row["quarantine"] == "path_escapes_root"
    assert row["pixel_id"] is None
    assert found["images/dent_1.png"]["quarantine"] == "annotation_missing"


@pytest.mark.parametrize("name", ["gone.jpg", "a\0b.jpg", "x" * 5000, "\udce9.jpg", "images"])
def test_row__listed_and_not_there(name: str, tmp_path: Path) -> None:
    index = read(changed(tmp_path, put("images", 4, file_name=name)))
    codes = index.frame["quarantine"].dropna().tolist()
    assert sorted(codes) == ["annotation_missing", "label_without_image"]
    index.save(tmp_path / "index.parquet")


def test_row__listed_twice(tmp_path: Path) -> None:
    found = rows(changed(tmp_path, put("images", 4, file_name="./dent_0.png")))
    assert found["images/dent_0.png"]["quarantine"] == "listed_twice"
    assert found["images/dent_1.png"]["quarantine"] == "annotation_missing"


def test_file__too_large(tmp_path: Path) -> None:
    coco_layout(tmp_path)
    os.truncate(tmp_path / FILE, 2_000_000_001)
    with pytest.raises(DataError, match="2000000001 bytes, the limit is"):
        read(tmp_path)


def test_file__several(tmp_path: Path) -> None:
    coco_layout(tmp_path)
    (tmp_path / "notes.json").write_text("{}")
    assert len(read(tmp_path).usable()) == 6
    text = (tmp_path / FILE).read_text()
    (tmp_path / "annotations" / "instances_val.json").write_text(text)
    with pytest.raises(
        DataError, match=r"instances_train\.json.*instances_val\.json.*name the one"
    ):
        read(tmp_path)
    assert len(read(tmp_path, annotations=FILE).usable()) == 6


@pytest.mark.parametrize(
    ("given", "words"),
    [("gone.json", "no file 'gone.json'"), ("../x.json", "outside"), ("/etc/x.json", "outside")],
)
def test_file__named_and_not_usable(given: str, words: str, tmp_path: Path) -> None:
    coco_layout(tmp_path)
    with pytest.raises(DataError, match=words):
        read(tmp_path, annotations=given)


def test_file__link_out_of_the_root(tmp_path: Path) -> None:
    coco_layout(tmp_path / "data")
    (tmp_path / "data" / FILE).rename(tmp_path / "secret.json")
    (tmp_path / "data" / FILE).symlink_to(tmp_path / "secret.json")
    with pytest.raises(DataError, match=r"is a link out of data\.root"):
        read(tmp_path / "data")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_file__byte_order_mark_and_crlf(encoding: str, tmp_path: Path) -> None:
    coco_layout(tmp_path)
    text = json.dumps(json.loads((tmp_path / FILE).read_text()), indent=1)
    (tmp_path / FILE).write_text(text, encoding=encoding, newline="\r\n")
    assert len(read(tmp_path).usable()) == 6


@pytest.mark.parametrize("folder", [".", "images", "train", "images/train", "annotations"])
def test_images__found_wherever_tools_put_them(folder: str, tmp_path: Path) -> None:
    coco_layout(tmp_path)
    for path in sorted((tmp_path / "images").glob("*.*")):
        (tmp_path / folder).mkdir(exist_ok=True, parents=True)
        path.rename(tmp_path / folder / path.name)
    save(tmp_path / "val" / "other_split.jpg", picture(1))
    found = rows(tmp_path)
    assert sum(row["quarantine"] is None for row in found.values()) == 6
    assert f"{folder}/crack_0.jpg".removeprefix("./") in found


def test_images__windows_names(tmp_path: Path) -> None:
    found = rows(changed(tmp_path, put("images", 4, file_name="images\\dent_1.png")))
    assert found["images/dent_1.png"]["quarantine"] is None
