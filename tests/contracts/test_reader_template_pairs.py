"""Template pairs: both halves and their boxes, what each missing or broken part says, and the published set whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.data.readers.base import Box
from inspection.data.readers.template_pairs import DEEP_PCB, parse_boxes
from inspection.errors import DataError
from tests.reader_layouts import picture, save, template_layout
from tests.reading import codes, index_of, is_one_line, rows_of

IMAGES, BOXES = Path("group1/001"), Path("group1/001_not")
TEST, TEMPLATE = "group1/001/0010_test.jpg", "group1/001/0010_temp.png"


def test_template_pairs__both_halves(tmp_path: Path) -> None:
    template_layout(tmp_path)
    rows = rows_of("template_pairs", tmp_path)
    test, template = rows[TEST], rows[TEMPLATE]
    assert (test["label"], test["label_source"]) == ("open", "box")
    assert (template["label"], template["label_source"]) == ("template", "template")
    assert test["pair_id"] == template["pair_id"] == "group1/001/0010"
    assert len({row["pair_id"] for row in rows.values()}) == 3
    assert [Box(**box) for box in test["boxes"]] == [
        Box(2, 3, 12, 13, "open"),
        Box(20, 3, 24, 6, "spur"),
    ]
    assert template["boxes"] == []
    assert all(codes(row) == [] for row in rows.values())


def test_template_pairs__own_names_and_ok_class(tmp_path: Path) -> None:
    template_layout(tmp_path)
    rows = rows_of("template_pairs", tmp_path, ok_class="good", class_names={1: "cut", 4: "bur"})
    assert rows[TEMPLATE]["label"] == "good"
    assert rows[TEST]["label"] == "cut"


def test_template_pairs__boxes_beside_the_images(tmp_path: Path) -> None:
    template_layout(tmp_path)
    for path in (tmp_path / BOXES).iterdir():
        path.rename(tmp_path / IMAGES / path.name)
    (tmp_path / BOXES).rmdir()
    index = index_of("template_pairs", tmp_path)
    assert len(index.usable()) == 6
    assert index.frame["boxes"].map(len).sum() == 6


@pytest.mark.parametrize(
    "text",
    [
        "2 3 12 13 1\n",
        "2,3,12,13,1",
        "2, 3, 12, 13, 1\r\n\r\n",
        "\t2\t3 12 13  1 ",
        "2.0 3 1.2e1 13 1.0",
    ],
)
def test_parse_boxes__spellings(text: str) -> None:
    assert parse_boxes(text, DEEP_PCB) == (Box(2, 3, 12, 13, "open"),)


TEXTS: list[tuple[str, bytes, str, str]] = [
    ("four numbers", b"1 2 3 4", "annotation_unreadable", "line 1: 4 numbers, not x1 y1"),
    ("six numbers", b"1 2 3 4 1\n1 2 3 4 5 6", "annotation_unreadable", "line 2: 6 numbers"),
    ("word", b"1 2 3 four 1", "annotation_unreadable", "'four' is no number"),
    ("NaN", b"1 2 nan 4 1", "annotation_unreadable", "'nan' is no number"),
    ("infinite", b"1 2 1e999 4 1", "annotation_unreadable", "'1e999' is no number"),
    ("type", b"1 2 3 4 7", "annotation_unreadable", "type '7' has no name"),
    ("half type", b"1 2 3 4 1.5", "annotation_unreadable", "type '1.5' has no name"),
    ("latin 1", b"\xe4", "annotation_unreadable", "0010.txt"),
    ("degenerate", b"5 2 5 4 1", "box_degenerate", "no area"),
    ("outside", b"5 2 41 4 1", "box_out_of_bounds", "leaves the 40 x 32 image"),
]


@pytest.mark.parametrize(("_name", "data", "code", "words"), TEXTS, ids=[case[0] for case in TEXTS])
def test_template_pairs__boxes_that_cannot_be_used(
    _name: str, data: bytes, code: str, words: str, tmp_path: Path
) -> None:
    template_layout(tmp_path)
    (tmp_path / BOXES / "0010.txt").write_bytes(data)
    rows = rows_of("template_pairs", tmp_path)
    assert {path for path, row in rows.items() if row["quarantine"]} == {TEST}
    assert rows[TEST]["quarantine"] == code
    assert words in rows[TEST]["detail"]
    assert is_one_line(rows[TEST]["detail"], tmp_path)


@pytest.mark.parametrize(
    ("options", "label", "warnings"),
    [({}, None, ["label_missing"]), ({"ok_class": "good"}, "good", [])],
)
def test_template_pairs__no_boxes(
    options: dict[str, str], label: str | None, warnings: list[str], tmp_path: Path
) -> None:
    template_layout(tmp_path)
    (tmp_path / BOXES / "0010.txt").write_text("\n")
    row = rows_of("template_pairs", tmp_path, **options)[TEST]
    assert (row["label"], codes(row), row["quarantine"]) == (label, warnings, None)


def link_out(root: Path) -> None:
    path = root / BOXES / "0010.txt"
    path.rename(root.parent / "out.txt")
    path.symlink_to(root.parent / "out.txt")


# what is changed, the row that tells, its quarantine, its warnings
HALVES: list[tuple[str, Callable[[Path], object], str, str | None, list[str]]] = [
    ("no template", lambda r: (r / TEMPLATE).unlink(), TEST, None, ["template_missing"]),
    ("no test", lambda r: (r / TEST).unlink(), TEMPLATE, None, ["test_missing"]),
    (
        "boxes without test",
        lambda r: (r / TEST).unlink(),
        "group1/001_not/0010.txt",
        "label_without_image",
        [],
    ),
    (
        "boxes of nothing",
        lambda r: (r / BOXES / "9.txt").write_text(""),
        "group1/001_not/9.txt",
        "label_without_image",
        [],
    ),
    ("no boxes", lambda r: (r / BOXES / "0010.txt").unlink(), TEST, "annotation_missing", []),
    (
        "two tests",
        lambda r: save((r / TEST).with_suffix(".png"), picture(1)),
        TEST,
        "pair_ambiguous",
        [],
    ),
    (
        "two templates",
        lambda r: save((r / TEMPLATE).with_suffix(".jpg"), picture(1)),
        TEMPLATE,
        "pair_ambiguous",
        [],
    ),
    (
        "neither",
        lambda r: save(r / IMAGES / "overview.jpg", picture(1)),
        "group1/001/overview.jpg",
        None,
        ["label_missing"],
    ),
    ("boxes are a link out", link_out, TEST, "path_escapes_root", []),
]


@pytest.mark.parametrize(
    ("_name", "change", "path", "code", "warnings"), HALVES, ids=[case[0] for case in HALVES]
)
def test_template_pairs__halves(
    _name: str,
    change: Callable[[Path], object],
    path: str,
    code: str | None,
    warnings: list[str],
    tmp_path: Path,
) -> None:
    template_layout(tmp_path / "data")
    change(tmp_path / "data")
    rows = rows_of("template_pairs", tmp_path / "data")
    assert (rows[path]["quarantine"], codes(rows[path])) == (code, warnings)
    others = [row for name, row in rows.items() if row["pair_id"] not in (None, "group1/001/0010")]
    assert len(others) == 4
    assert all(row["quarantine"] is None and codes(row) == [] for row in others)


def test_template_pairs__lists_and_notes_are_no_boxes(tmp_path: Path) -> None:
    template_layout(tmp_path)
    for place in (tmp_path / "trainval.txt", tmp_path / IMAGES / "notes.txt"):
        place.write_text("group1/001/0010.jpg group1/001_not/0010.txt\n")
    assert len(index_of("template_pairs", tmp_path)) == 6


def test_template_pairs__no_pairs(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", picture(1))
    with pytest.raises(DataError, match=r"data.root: no image '\*_test\.\*'"):
        index_of("template_pairs", tmp_path)


@pytest.mark.assets
def test_template_pairs__published_set_is_read_whole(assets: Path) -> None:
    rows = rows_of("template_pairs", assets / "data" / "deep_pcb", ok_class="good")
    assert len(rows) == 600
    assert Counter(row["pair_id"] for row in rows.values()).most_common(1)[0][1] == 2
    assert all(row["quarantine"] is None and codes(row) == [] for row in rows.values())
    held = Counter(box["label"] for row in rows.values() for box in row["boxes"])
    # Counted in the text files by another program.
    assert held == {
        "open": 357,
        "short": 285,
        "mousebite": 337,
        "spur": 281,
        "copper": 260,
        "pin-hole": 310,
    }
    assert Counter(row["label"] == "good" for row in rows.values()) == {True: 300, False: 300}


@pytest.mark.fuzz
@given(st.one_of(st.text(max_size=80), st.text(alphabet="0123456789 .,-+en\n", max_size=80)))
def test_parse_boxes__no_text_crashes_it(text: str) -> None:
    boxes, said = tuple[Box, ...](), "line "
    try:
        boxes = parse_boxes(text, DEEP_PCB)
    except ValueError as error:
        said = str(error)
    assert said.startswith("line ")
    assert "\n" not in said
    assert all(box.label in DEEP_PCB.values() for box in boxes)
