"""Manifests: CSV and Parquet, what Excel and Windows make of them, what each odd or broken row says, our own export."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data_checks.split_audit import audit_split, check_kept
from inspection.config import DataConfig, SplitConfig
from inspection.data.export import write_manifest
from inspection.data.own_split import place
from inspection.data.readers.base import Box, RawItem
from inspection.data.readers.manifest import read_manifest
from inspection.data.shapes import Region
from inspection.errors import CheckFailed, DataError
from tests.reader_layouts import SIZE, manifest_layout, picture, save
from tests.reading import codes, index_of, is_one_line, regions_in, rows_of

BOX = {"x0": 1, "y0": 2.5, "x1": 9, "y1": 8, "label": "crack"}
REGION = {"label": "crack", "counts": [5, 10, 1265]}


def written(root: Path, text: str | bytes, names: str = "a b c") -> Path:
    """Images a.png, b.png … and the CSV."""
    for i, name in enumerate(names.split()):
        save(root / f"{name}.png", picture(i))
    (root / "list.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return root


def cell(values: object) -> str:
    """JSON in quotes, as spreadsheets write it."""
    text = values if isinstance(values, str) else json.dumps(values)
    return '"' + text.replace('"', '""') + '"'


def test_manifest__every_column(tmp_path: Path) -> None:
    header = "path,label,boxes,regions,mask_path,pair_id,session,camera\n"
    row = f"a.png,dent,{cell([BOX])},{cell([REGION])},m/a.png,p1,monday,north\n"
    written(tmp_path, header + row, "a")
    save(tmp_path / "m/a.png", Image.new("L", SIZE, 255))
    (found,) = rows_of("manifest", tmp_path).values()
    assert (found["label"], found["label_source"]) == ("dent", "manifest")
    assert [Box(**box) for box in found["boxes"]] == [Box(1, 2.5, 9, 8, "crack")]
    assert regions_in(found) == [Region("crack", (5, 10, 1265))]
    named = [found[name] for name in ("mask_path", "pair_id", "session", "camera")]
    assert named == ["m/a.png", "p1", "monday", "north"]
    assert (found["quarantine"], codes(found)) == (None, [])


SPELLINGS: list[tuple[str, str | bytes]] = [
    ("plain", "path,label\na.png,x\nb.png,y\nc.png,\n"),
    ("byte order mark and CRLF", b"\xef\xbb\xbfpath,label\r\na.png,x\r\nb.png,y\r\nc.png,\r\n"),
    ("semicolons", "path;label\na.png;x\nb.png;y\nc.png;\n"),
    ("tabs", "label\tpath\nx\ta.png\ny\tb.png\n\tc.png\n"),
    ("quotes and padding", '"path","label"\n"a.png"," x ",,\n./b.png,y\nc.png,,,\n,,\n'),
    ("Windows", "path,label\n.\\a.png,x\nb.png,y\nc.png,\n"),
    (
        "empty columns of ours",
        "path,label,boxes,regions,split\na.png,x,,,\nb.png,y,,,\nc.png,,,,\n",
    ),
]


@pytest.mark.parametrize(("_name", "text"), SPELLINGS, ids=[case[0] for case in SPELLINGS])
def test_manifest__one_table_in_many_spellings(
    _name: str, text: str | bytes, tmp_path: Path
) -> None:
    rows = rows_of("manifest", written(tmp_path, text))
    assert {path: row["label"] for path, row in rows.items()} == {
        "a.png": "x",
        "b.png": "y",
        "c.png": None,
    }
    assert all(row["quarantine"] is None and codes(row) == [] for row in rows.values())


def test_manifest__parquet_with_text_or_lists(tmp_path: Path) -> None:
    written(tmp_path, "", "a b")
    (tmp_path / "list.csv").unlink()
    frame = pd.DataFrame(
        {"path": ["a.png", "b.png"], "boxes": [[BOX], None], "regions": [None, [REGION]]}
    )
    frame.to_parquet(tmp_path / "lists.parquet")
    lists = index_of("manifest", tmp_path)
    assert (lists.classes, len(lists.usable())) == (("crack",), 2)
    for name in ("boxes", "regions"):
        frame[name] = [json.dumps(value) if value else None for value in frame[name]]
    frame.to_parquet(tmp_path / "text.parquet")
    text = index_of("manifest", tmp_path, annotations="text.parquet")
    assert text.digest() == lists.digest()


def test_manifest__what_we_export_comes_back(tmp_path: Path) -> None:
    manifest_layout(tmp_path)
    index = index_of("manifest", tmp_path)
    (tmp_path / "manifest.csv").unlink()
    write_manifest(index, tmp_path / "exported.csv")
    assert index_of("manifest", tmp_path).digest() == index.digest()


def test_manifest__names_with_spaces_and_any_letters(tmp_path: Path) -> None:
    for name in ("näme 例.png", "a,b.png", "no\u00a0break.png"):
        save(tmp_path / "dïr 1" / name, picture(1))
    text = 'path\ndïr 1/näme 例.png\n"dïr 1/a,b.png"\ndïr 1\\no\u00a0break.png\n'
    assert len(index_of("manifest", written(tmp_path, text, "")).usable()) == 3


@pytest.mark.parametrize(
    ("columns", "code", "words"),
    [
        ("group,camera", "columns_made_anew", "group of the manifest"),
        ("weather,Line", "columns_ignored", "'weather', 'Line'"),
    ],
)
def test_manifest__columns_that_nobody_reads(
    columns: str, code: str, words: str, tmp_path: Path
) -> None:
    rows = rows_of("manifest", written(tmp_path, f"path,{columns}\na.png,x,y\nb.png,x,y\n", "a b"))
    assert [codes(row) for row in rows.values()] == [[code], []]
    assert words in rows["a.png"]["warnings"][0]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            "a.png,x,train|b.png,x,dev|c.png,x,test",
            "line 3: split 'dev' is none of train, val, test",
        ),
        ("a.png,x,train|b.png,x,Test|c.png,x,val", "line 3: split 'Test' is none of"),
        ("a.png,x,train|b.png,x,test|c.png,x,", "line 4: no split, where other rows have one"),
        ("a.png,x,|b.png,x,test|c.png,x,val", "line 2: no split"),
    ],
    ids=["another name", "other case", "last missing", "first missing"],
)
def test_manifest__half_a_split_is_none(lines: str, told: str, tmp_path: Path) -> None:
    text = "path,label,split\n" + lines.replace("|", "\n") + "\n"
    with pytest.raises(DataError, match=told) as caught:
        index_of("manifest", written(tmp_path, text))
    assert is_one_line(str(caught.value), tmp_path)
    assert "list.csv" in str(caught.value)


def test_manifest__rows_without_label_need_no_split_unless_the_name_gives_one(
    tmp_path: Path,
) -> None:
    written(tmp_path, "path,label,split\na.png,x,train\nb.png,,\nc.png,x,test\n")
    found = rows_of("manifest", tmp_path)
    assert [row["split"] for row in found.values()] == ["train", None, "test"]
    with pytest.raises(DataError, match="line 3: no split"):
        index_of("manifest", tmp_path, label_pattern="^(.)")


def test_manifest__a_parquet_split_of_missing_values_is_no_split(tmp_path: Path) -> None:
    written(tmp_path, "")
    (tmp_path / "list.csv").unlink()
    frame = pd.DataFrame({"path": ["a.png", "b.png"], "label": "x", "split": [None, float("nan")]})
    frame.to_parquet(tmp_path / "list.parquet")
    assert index_of("manifest", tmp_path).frame["split"].isna().all()


def test_manifest__a_split_is_kept_or_made_anew_but_never_believed(tmp_path: Path) -> None:
    """The fault: a test image of each class lies in train as well, pixel for pixel."""
    lines = ["path,label,split"]
    for label in ("good", "dent"):
        for i in range(12):
            home = ("train", "train", "val", "test")[i % 4]
            copied = i - 3 if i == 11 else i
            save(tmp_path / f"{label}{i}.png", picture(copied + 50 * (label == "good")))
            lines.append(f"{label}{i}.png,{label},{home}")
    index = index_of("manifest", written(tmp_path, "\n".join(lines), ""))
    stated = dict(zip(index.frame["path"], index.frame["split"], strict=True))
    assert stated == {line.split(",")[0]: line.split(",")[2] for line in lines[1:]}
    audit = audit_split(index)
    assert audit.pairs[0].causes == {"exact": 2}
    keep = SplitConfig(keep=True)
    kept = place(index, keep, seed=1)
    assert dict(zip(kept.frame["path"], kept.frame["split"], strict=True)) == stated
    with pytest.raises(CheckFailed, match=r"2 of 6 test images"):
        check_kept(kept, keep)
    made = place(index, SplitConfig(), seed=1)
    assert dict(zip(made.frame["path"], made.frame["split"], strict=True)) != stated
    assert made.frame.groupby("pixel_id")["split"].nunique().max() == 1
    without = place(index.with_columns(split=None), SplitConfig(), seed=1)
    assert list(made.frame["split"]) == list(without.frame["split"]), "the old split has no say"


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
