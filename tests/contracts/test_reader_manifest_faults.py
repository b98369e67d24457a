"""A manifest that cannot be what it says: each fault is one row's, or one sentence for the whole table."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.config import DataConfig
from inspection.data.readers.base import RawItem
from inspection.data.readers.manifest import read_manifest
from inspection.errors import DataError
from tests.contracts.test_reader_manifest import BOX, REGION, cell, written
from tests.reader_layouts import picture, save
from tests.reading import index_of, is_one_line, rows_of


def test_manifest__unlisted_images_are_counted(tmp_path: Path) -> None:
    rows = rows_of("manifest", written(tmp_path, "path\nb.png\n"))
    (warning,) = rows["b.png"]["warnings"]
    assert len(rows) == 1
    assert warning.startswith("images_unlisted: 2 ")


ROWS: list[tuple[str, str, str, str, str]] = [
    ("missing file", "gone.png,x,", "gone.png", "missing", "no such file"),
    ("up", "../a.png,x,", "list.csv#2", "path_escapes_root", "'../a.png'"),
    ("Windows up", "x\\..\\..\\a.png,x,", "list.csv#2", "path_escapes_root", "no path below"),
    ("absolute", "/etc/passwd,x,", "list.csv#2", "path_escapes_root", "without '..'"),
    ("drive", "C:\\a.png,x,", "list.csv#2", "path_escapes_root", "no path below data.root"),
    ("share", "\\\\host\\a.png,x,", "list.csv#2", "path_escapes_root", "no path below"),
    ("control", "a\0.png,x,", "list.csv#2", "path_escapes_root", "no path below data.root"),
    ("no path", ",x,", "list.csv#2", "path_missing", "line 2: no path"),
    ("twice", "a.png,x,\n.\\a.png,y,", "a.png", "listed_twice", "lines 2, 3: keep one"),
    ("no JSON", "a.png,x,1 2 3 4", "a.png", "annotation_unreadable", "line 2: boxes is no JSON"),
    (
        "comma decimals",
        "a.png,x," + cell('[{"x0": 1,5, "y0": 2}]'),
        "a.png",
        "annotation_unreadable",
        "write numbers with a point: 1.5, not 1,5",
    ),
    (
        "comma in text",
        "a.png,x," + cell([{**BOX, "x0": "1,5"}]),
        "a.png",
        "annotation_unreadable",
        "box 1: x0 is '1,5', not a number",
    ),
    ("object", "a.png,x," + cell(BOX), "a.png", "annotation_unreadable", "not a list of objects"),
    ("number", "a.png,x,7", "a.png", "annotation_unreadable", "boxes is 7, not a list"),
    ("deep", "a.png,x," + "[" * 9999, "a.png", "annotation_unreadable", "boxes is no JSON"),
    (
        "no corner",
        "a.png,x," + cell([{"x0": 1, "label": "x"}]),
        "a.png",
        "annotation_unreadable",
        "y0 is null",
    ),
    (
        "not finite",
        "a.png,x," + cell([{**BOX, "x0": float("inf")}]),
        "a.png",
        "annotation_unreadable",
        "not a finite number",
    ),
    (
        "half letter",
        "a.png,x," + cell([{**BOX, "label": "\ud800"}]),
        "a.png",
        "annotation_unreadable",
        "label is '",
    ),
    ("outside", "a.png,x," + cell([{**BOX, "x1": 99}]), "a.png", "box_out_of_bounds", "40 x 32"),
]


@pytest.mark.parametrize(
    ("_name", "line", "path", "code", "words"), ROWS, ids=[case[0] for case in ROWS]
)
def test_manifest__one_rows_fault_is_that_rows(
    _name: str, line: str, path: str, code: str, words: str, tmp_path: Path
) -> None:
    rows = rows_of("manifest", written(tmp_path, f"path,label,boxes\n{line}\nb.png,y,\n", "a b"))
    assert set(rows) == {path, "b.png"}
    assert rows[path]["quarantine"] == code
    assert words in rows[path]["detail"]
    assert is_one_line(rows[path]["detail"], tmp_path)
    assert rows["b.png"]["quarantine"] is None


REGIONS: list[tuple[str, object, str, str]] = [
    ("too few", {**REGION, "counts": [5, 10]}, "runs_size", "runs of 15 pixels for 40 x 32"),
    ("negative", {**REGION, "counts": [5, -1, 1276]}, "runs_negative", "a run is negative"),
    ("nothing", {**REGION, "counts": [1280]}, "shape_degenerate", "holds no pixel"),
    ("fraction", {**REGION, "counts": [5.5]}, "annotation_unreadable", "not a whole number"),
    ("text", {**REGION, "counts": "5 10"}, "annotation_unreadable", "counts is '5 10'"),
    ("no label", {"counts": [5, 10, 1265]}, "annotation_unreadable", "region 1: label is null"),
]


@pytest.mark.parametrize(
    ("_name", "region", "code", "words"), REGIONS, ids=[case[0] for case in REGIONS]
)
def test_manifest__regions_that_cannot_be_the_images(
    _name: str, region: object, code: str, words: str, tmp_path: Path
) -> None:
    text = f"path,regions\na.png,{cell([region])}\n"
    (row,) = rows_of("manifest", written(tmp_path, text, "a")).values()
    assert (row["quarantine"], row["regions"]) == (code, [])
    assert words in row["detail"]


@pytest.mark.parametrize("mask", ["../m.png", "/m.png", "link.png"])
def test_manifest__mask_that_leads_out(mask: str, tmp_path: Path) -> None:
    written(tmp_path / "data", f"path,mask_path\na.png,{mask}\n", "a")
    outside = save(tmp_path / "m.png", picture(1))
    (tmp_path / "data" / "link.png").symlink_to(outside)
    row = rows_of("manifest", tmp_path / "data")["a.png"]
    assert (row["quarantine"], row["mask_path"]) == ("path_escapes_root", None)


FILES: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "line 1: the file is empty"),
    ("header alone", "path,label\n", "line 1: a header and no rows"),
    ("no path", "file,label\na.png,x\n", "line 1: no column path among 'file, label'"),
    ("open JSON", "path,boxes\na.png,[{1, 2}]\n", "line 2: 3 cells.*in quotes"),
    ("latin 1", b"path\na.png\n\xe4.png\n", "line 3: not UTF-8"),
    ("open quote", 'path\n"a.png\n', "no CSV"),
]


@pytest.mark.parametrize(("_name", "text", "words"), FILES, ids=[case[0] for case in FILES])
def test_manifest__the_files_own_fault(
    _name: str, text: str | bytes, words: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=f"data.annotations: 'list.csv' .*{words}") as caught:
        index_of("manifest", written(tmp_path, text))
    assert is_one_line(str(caught.value), tmp_path)


@pytest.mark.parametrize("given_path", ["../list.csv", "nowhere.csv", "/etc/hostname"])
def test_manifest__named_file_must_lie_below_the_root(given_path: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^data.annotations: .*data.root"):
        index_of("manifest", written(tmp_path, "path\na.png\n"), annotations=given_path)


@pytest.mark.fuzz
@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=200).map("path,boxes,regions\n".__add__)),
    st.sampled_from(["list.csv", "list.parquet"]),
)
def test_manifest__no_bytes_crash_the_reader(data: str | bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        items, said = list[RawItem](), ""
        try:
            items = read_manifest(root, DataConfig(kind="manifest", root=root))
        except DataError as error:
            said = str(error)
        assert bool(items) != bool(said)
        assert "\n" not in said
        assert len({item.path for item in items}) == len(items)
