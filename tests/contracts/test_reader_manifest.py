"""Manifests: CSV and Parquet, what Excel and Windows make of them, what each odd or broken row says, our own export."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from data_checks.split_audit import audit_split, check_kept
from inspection.config import SplitConfig
from inspection.data.export import write_manifest
from inspection.data.own_split import place
from inspection.data.readers.base import Box
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
