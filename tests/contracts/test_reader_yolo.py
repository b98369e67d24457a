"""YOLO: what each odd or broken file says, and that no bytes give anything but items or one clear sentence."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspection.config import ChecksConfig, DataConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.shapes import Region
from inspection.errors import DataError
from inspection.store import Store
from tests.reader_layouts import yolo_layout

IMAGE, TEXT = "images/dent_1.png", "labels/dent_1.txt"
GOOD = "1 0.5 0.5 0.5 0.25\n"


def read(root: Path, **more: object) -> ImageIndex:
    config = DataConfig.model_validate({"kind": "yolo", "root": root, **more})
    return ingest(config, ChecksConfig(), store=Store(root / "store"), seed=0)


def rows(root: Path, **more: object) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in read(root, **more).table().to_pylist()}


# dent_1.txt's content, the quarantine code or None, words of its sentence
LINES: list[tuple[str, bytes, str | None, str]] = [
    ("byte order mark", b"\xef\xbb\xbf" + GOOD.encode(), None, ""),
    ("CRLF", GOOD.replace("\n", "\r\n").encode() * 2, None, ""),
    ("tabs", GOOD.replace(" ", "\t").encode(), None, ""),
    ("blank lines", b"\n  \n" + GOOD.encode() + b"\n", None, ""),
    ("no last line end", GOOD.strip().encode(), None, ""),
    ("exponent", b"1 5e-1 .5 5.E-1 0.25", None, ""),
    ("the whole image", b"1 0.5 0.5 1 1", None, ""),
    ("six decimals", b"1 0.8333335 0.5 0.333334 1", None, ""),
    ("beyond rounding", b"1 0.5 0.5 1.00001 1", "box_out_of_bounds", "line 1: a box of dent"),
    ("negative", b"1 -0.1 0.5 0.1 0.1", "box_out_of_bounds", "leaves 0 to 1"),
    ("pixels", b"1 20 16 10 10", "box_out_of_bounds", "leaves 0 to 1"),
    ("no width", b"1 0.5 0.5 0 0.1", "box_degenerate", "has no area"),
    ("negative width", b"1 0.5 0.5 -0.1 0.1", "box_degenerate", "has no area"),
    ("second line", GOOD.encode() + b"1 0.5", "annotation_unreadable", "line 2: 1 numbers"),
    ("class alone", b"1", "annotation_unreadable", "0 numbers behind the class"),
    ("confidence", b"1 0.5 0.5 0.1 0.1 0.9", "annotation_unreadable", "5 numbers behind"),
    ("odd", b"1 0.1 0.1 0.2 0.1 0.2 0.2 0.3", "annotation_unreadable", "7 numbers behind"),
    ("NaN", b"1 nan 0.5 0.1 0.1", "annotation_unreadable", "'nan' is not a number"),
    ("endless", b"1 inf 0.5 0.1 0.1", "annotation_unreadable", "'inf' is not a number"),
    ("overflow", b"1 1e999 0.5 0.1 0.1", "annotation_unreadable", "not a finite number"),
    ("comma", b"1 0,5 0.5 0.1 0.1", "annotation_unreadable", "write it with a point"),
    ("words", b"1 a b c d", "annotation_unreadable", "'a' is not a number"),
    ("underscore", b"1 1_0 0.5 0.1 0.1", "annotation_unreadable", "'1_0' is not a number"),
    ("unknown class", b"7 0.5 0.5 0.1 0.1", "annotation_unreadable", "class 7 has no name"),
    ("class with a point", b"1.0 0.5 0.5 0.1 0.1", "annotation_unreadable", "class '1.0' is not"),
    ("class negative", b"-1 0.5 0.5 0.1 0.1", "annotation_unreadable", "class '-1' is not"),
    ("class a name", b"dent 0.5 0.5 0.1 0.1", "annotation_unreadable", "class 'dent' is not"),
    ("endless class", b"1" * 9000 + b" 0.5 0.5 0.1 0.1", "annotation_unreadable", "…' is not a"),
    ("other alphabet", "1 ٠.٥ 0.5 0.1 0.1".encode(), "annotation_unreadable", "is not a number"),
    ("not UTF-8", b"\xff\xfe1\0", "annotation_unreadable", "codec"),
    ("polygon leaves", b"1 0.1 0.1 1.2 0.1 0.2 0.2", "shape_out_of_bounds", "line 1: a polygon"),
    ("empty", b"", "annotation_missing", "data.ok_class"),
    ("blank", b" \n", "annotation_missing", "data.ok_class"),
    ("too large", b" " * 4_000_001, "annotation_unreadable", "the limit is 4000000"),
]


@pytest.mark.parametrize(("name", "data", "code", "words"), LINES, ids=[case[0] for case in LINES])
def test_labels__of_one_image(
    name: str, data: bytes, code: str | None, words: str, tmp_path: Path
) -> None:
    yolo_layout(tmp_path)
    (tmp_path / TEXT).write_bytes(data)
    found = rows(tmp_path)
    assert found[IMAGE]["quarantine"] == code
    assert words in (found[IMAGE]["detail"] or "")
    assert "\n" not in (found[IMAGE]["detail"] or "")
    assert (found[IMAGE]["boxes"] != []) == (code is None)
    assert sum(row["quarantine"] is None for row in found.values()) == 6 - (code is not None)


def test_values__boxes_and_polygons_in_pixels(tmp_path: Path) -> None:
    yolo_layout(tmp_path)
    (tmp_path / TEXT).write_text("0 0.5 0.5 0.5 0.25\n1 0.25 0.5 0.75 0.5 0.75 1 0.25 1\n")
    found = rows(tmp_path)[IMAGE]
    assert found["boxes"] == [{"x0": 10.0, "y0": 12.0, "x1": 30.0, "y1": 20.0, "label": "crack"}]
    assert [region["label"] for region in found["regions"]] == ["dent"]
    mask = Region("dent", tuple(found["regions"][0]["counts"])).mask(32, 40)
    wanted = np.zeros((32, 40), bool)
    wanted[16:32, 10:30] = True
    assert (mask == wanted).all()
    assert (found["label"], found["label_source"]) == ("dent", "shape")


def test_values__edges_after_rounding_stay_inside(tmp_path: Path) -> None:
    yolo_layout(tmp_path)
    (tmp_path / TEXT).write_text("1 0.8333335 0.5 0.333334 1")
    box = rows(tmp_path)[IMAGE]["boxes"][0]
    assert (box["x1"], box["y1"]) == (40.0, 32.0)


@pytest.mark.parametrize("spoil", [lambda p: p.unlink(), lambda p: p.write_text("")])
def test_no_defect__is_the_ok_class(spoil: Any, tmp_path: Path) -> None:
    yolo_layout(tmp_path)
    spoil(tmp_path / TEXT)
    lost = rows(tmp_path)[IMAGE]
    assert (lost["quarantine"], lost["label"]) == ("annotation_missing", None)
    good = rows(tmp_path, ok_class="fine")[IMAGE]
    assert (good["quarantine"], good["label"], good["label_source"]) == (None, "fine", "no_boxes")
    named = rows(tmp_path, label_pattern="^([a-z]+)_")[IMAGE]
    assert (named["quarantine"], named["label"]) == (None, "dent")


def test_label__is_the_largest_area(tmp_path: Path) -> None:
    yolo_layout(tmp_path)
    (tmp_path / TEXT).write_text("1 0.5 0.5 0.4 0.4\n0 0.5 0.5 0.5 0.5\n1 0.5 0.5 0.2 0.2\n")
    found = rows(tmp_path)[IMAGE]
    assert (found["label"], found["label_source"]) == ("crack", "box")
    assert [text.split(":")[0] for text in found["warnings"]] == ["box_label_differs"]


def test_orphans__label_files_without_image(tmp_path: Path) -> None:
    yolo_layout(tmp_path)
    (tmp_path / IMAGE).unlink()
    for name in ("labels/classes.txt", "train.txt", "README.txt", "notes.txt"):
        (tmp_path / name).write_text("images/dent_0.png\n")
    found = rows(tmp_path)
    assert len(found) == 6
    assert found[TEXT]["quarantine"] == "label_without_image"


def move_beside(root: Path) -> str:
    for text in sorted((root / "labels").glob("*.txt")):
        text.rename(root / "images" / text.name)
    return "images/dent_1.png"


def move_flat(root: Path) -> str:
    for path in sorted(root.glob("*/*.*")):
        path.rename(root / path.name)
    (root / "classes.txt").write_text("crack\ndent\n")
    return "dent_1.png"


def move_by_split(root: Path) -> str:
    (root / "train").mkdir()
    for name in ("images", "labels"):
        (root / name).rename(root / "train" / name)
    return "train/images/dent_1.png"


def move_split_below(root: Path) -> str:
    for name in ("images", "labels"):
        (root / name).rename(root / "train")
        (root / "train").rename(root / "aside")
        (root / name).mkdir()
        (root / "aside").rename(root / name / "train")
    return "images/train/dent_1.png"


@pytest.mark.parametrize("move", [move_beside, move_flat, move_by_split, move_split_below])
def test_layouts__of_other_tools(move: Any, tmp_path: Path) -> None:
    yolo_layout(tmp_path)
    path = move(tmp_path)
    found = rows(tmp_path)
    assert len(found) == 6
    assert found[path]["label"] == "dent"
    assert all(row["quarantine"] is None for row in found.values())


def test_layouts__labels_folder_before_a_file_beside(tmp_path: Path) -> None:
    yolo_layout(tmp_path)
    path = move_by_split(tmp_path)
    (tmp_path / path).with_suffix(".txt").write_text("0 0.5 0.5 1 1\n")
    found = rows(tmp_path)
    assert found[path]["label"] == "dent"
    assert found["train/images/dent_1.txt"]["quarantine"] == "label_without_image"


def test_root__without_any_label_file(tmp_path: Path) -> None:
    yolo_layout(tmp_path)
    shutil.rmtree(tmp_path / "labels")
    with pytest.raises(DataError, match=r"data\.root: no label file for any image"):
        read(tmp_path, ok_class="fine")


def test_labels__link_out_of_the_root_is_not_read(tmp_path: Path) -> None:
    yolo_layout(tmp_path / "data")
    (tmp_path / "data" / TEXT).rename(tmp_path / "secret.txt")
    (tmp_path / "data" / TEXT).symlink_to(tmp_path / "secret.txt")
    found = rows(tmp_path / "data")[IMAGE]
    assert (found["quarantine"], found["boxes"]) == ("path_escapes_root", [])


def test_labels__that_may_not_be_read(tmp_path: Path) -> None:
    yolo_layout(tmp_path)
    (tmp_path / TEXT).unlink()
    (tmp_path / TEXT).symlink_to(tmp_path / "labels" / "nowhere.txt")
    found = rows(tmp_path)[IMAGE]
    assert found["quarantine"] == "annotation_unreadable"
    assert str(tmp_path) not in found["detail"]


NAMES: list[tuple[str, bytes, str]] = [
    ("no YAML", b"names: [crack", "is no YAML"),
    ("tabs", b"names:\n\t- crack", "is no YAML"),
    ("a bad date", b"names: 2001-99-99", "is no YAML"),
    ("a bad tag", b"names: !!bool x", "is no YAML"),
    ("a command", b"names: !!python/object/apply:os.system [ls]", "is no YAML"),
    ("not UTF-8", b"names: [\xff]", "is no YAML"),
    ("deep", b"[" * 5000, "is no YAML"),
    ("a list", b"[crack]", "is a list, keys and values"),
    ("empty", b"", "is null, keys and values"),
    ("no names", b"nc: 2", "has no 'names'"),
    ("names text", b"names: crack", "'names' is 'crack', a list or"),
    ("name false", b"names: [crack, no]", "'names' of 1 is false, not text: put the name in quotes"),
    ("name a number", b"names: [1, 2]", "'names' of 0 is 1, not text"),
    ("name empty", b"names: [crack, ' ']", "not a name that can be printed"),
    ("key a name", b"names: {crack: 0}", "has the key 'crack', not a class number"),
    ("key negative", b"names: {-1: crack}", "has the key -1"),
    ("key twice", b"names: {0: crack, '0': dent}", "the class number 0 twice"),
    ("in itself", b"names: &a [*a]", "'names' of 0 is a list"),
    ("too large", b"#" * 1_000_001, "1000001 bytes, the limit is"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "words"), NAMES, ids=[case[0] for case in NAMES])
def test_names__that_cannot_be_used(name: str, data: bytes, words: str, tmp_path: Path) -> None:
    yolo_layout(tmp_path)
    (tmp_path / "data.yaml").write_bytes(data)
    with pytest.raises(DataError, match=r"data\.yaml") as caught:
        read(tmp_path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names__wherever_they_stand(tmp_path: Path) -> None:
    yolo_layout(tmp_path)
    (tmp_path / "data.yaml").rename(tmp_path / "my.yaml")
    bare = read(tmp_path)
    assert bare.classes == ("0", "1")
    assert {text.split(":")[0] for row in bare.frame["warnings"] for text in row} == {
        "class_unnamed", "box_label_differs"
    }  # fmt: skip
    assert read(tmp_path, annotations="my.yaml").classes == ("crack", "dent")
    named = read(tmp_path, class_names={0: "a", 1: "b"})
    assert named.classes == ("a", "b")
    (tmp_path / "data.yaml").write_text("\ufeffnames:\r\n  0: crack\r\n  '1': dent\r\n")
    assert read(tmp_path).classes == ("crack", "dent")
    assert read(tmp_path, class_names={1: "b"}).classes == ("b", "crack")
    (tmp_path / "data.yaml").write_text("train: images\n")
    assert read(tmp_path, class_names={0: "a", 1: "b"}).classes == ("a", "b")


def test_names__link_out_of_the_root(tmp_path: Path) -> None:
    yolo_layout(tmp_path / "data")
    (tmp_path / "data" / "data.yaml").rename(tmp_path / "secret.yaml")
    (tmp_path / "data" / "data.yaml").symlink_to(tmp_path / "secret.yaml")
    with pytest.raises(DataError, match="is a link out of"):
        read(tmp_path / "data")
