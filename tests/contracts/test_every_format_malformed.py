"""Every annotation format times every way in which its files arrive broken: one clear sentence, or read as meant.

Where each cell is tested (`here`, or the test of the format; `-`: the format has no such thing):

    format            truncated      RLE too long  odd RLE     negative box  NaN box   unknown id     id twice
    voc               every_reader   -             -           every_reader  every_r.  - (names)      - (by file)
    coco              coco           coco          coco        coco          coco      coco           coco
    yolo              yolo           -             yolo (odd)  yolo          yolo      yolo           yolo
    severstal         severstal      severstal     severstal   -             -         severstal      severstal
    index_masks       index_masks    -             -           -             -         index_masks    index_masks
    mask_pairs        every_reader   -             -           -             -         -              -
    folder            every_reader   -             -           -             -         -              -
    template_pairs    template_p.    -             -           here          template  template_p.    template_p.
    manifest (CSV)    manifest       here          -           here          here      -              manifest
    manifest (Parq.)  here           here          -           here          here      -              here

    format            image missing  BOM           CRLF        comma decimal unicode, spaces   loops of links
    voc               every_reader   every_reader  here        every_reader  here              here, every_reader
    coco              coco           coco          coco        here          here              here, every_reader
    yolo              yolo           yolo, here    yolo, here  yolo          here              here, every_reader
    severstal         severstal      severstal     severstal   here          here              here, every_reader
    index_masks       index_masks    -             -           -             here              here, every_reader
    mask_pairs        every_reader   -             -           -             here              here, every_reader
    folder            -              -             -           -             every_reader      here, every_reader
    template_pairs    template_p.    here          template_p. here          here              here, every_reader
    manifest (CSV)    manifest       manifest      manifest    manifest      manifest, here    here, every_reader
    manifest (Parq.)  here           -             -           here          here              here
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inspection.errors import DataError
from tests.parquet_layout import Rows, change_rows, parquet_layout
from tests.reader_layouts import LAYOUTS
from tests.reading import is_one_line, rows_of

Change = Callable[[Path], object]
FORMATS: dict[str, tuple[str, Change]] = {
    **{kind: (kind, layout) for kind, layout in LAYOUTS.items()},
    "manifest_parquet": ("manifest", parquet_layout),
}
REMEDY = re.compile(r"[;:,] (is it |[a-z])")
BOX = {"x0": 1.0, "y0": 2.0, "x1": 9.0, "y1": 8.0, "label": "crack"}


def read(name: str, root: Path) -> dict[str, dict[str, Any]]:
    """The rows; whatever comes of it, the source is as it was."""
    before = state(root)
    try:
        return rows_of(FORMATS[name][0], root)
    finally:
        assert state(root) == before


def state(root: Path) -> dict[str, tuple[int, bytes]]:
    """Names, times of change and contents, without following links."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() and not path.is_symlink() else b"",
        )
        for path in sorted(root.rglob("*"))
    }


def checked(sentence: str, words: str, root: Path) -> None:
    assert words in sentence
    assert is_one_line(sentence, root), sentence
    assert REMEDY.search(sentence), sentence


# --- values, in the formats whose own tests do not have them yet -------------------------------------------------


def text(path: str, old: str, new: str) -> Change:
    """Every occurrence in a text file replaced; the file must hold it."""

    def change(root: Path) -> None:
        stated = (root / path).read_bytes().decode()
        assert old in stated
        (root / path).write_bytes(stated.replace(old, new).encode())

    return change


def first_row(**values: object) -> Change:
    return lambda root: change_rows(root, lambda rows: rows[0].update(values))


def cell(column: str, value: object) -> Change:
    """One image in the CSV manifest, with this JSON in the column."""
    quoted = json.dumps(value).replace('"', '""')
    line = f'path,label,{column}\nimages/crack_0.jpg,crack,"{quoted}"\n'
    return lambda root: (root / "manifest.csv").write_text(line)


def twice(rows: Rows) -> None:
    rows.append({**rows[0], "path": ".\\images\\crack_0.jpg"})


def cut(path: str, share: float = 0.6) -> Change:
    def change(root: Path) -> None:
        data = (root / path).read_bytes()
        (root / path).write_bytes(data[: int(len(data) * share)])

    return change


BOXES, IMAGE = "group1/001_not/0010.txt", "images/crack_0.jpg"
TESTED = "group1/001/0010_test.jpg"
COCO = "annotations/instances_train.json"
XML, CRAZING = "annotations/crazing_0.xml", "images/crazing_0.jpg"
HUGE = "<size><width>1e300</width><height>32</height></size>"
LONG = [{"label": "crack", "counts": [5, 10, 99_999]}]
ENDLESS = [{"label": "crack", "counts": [0, 10**18]}]
UNREADABLE = "annotation_unreadable"

# format, what is wrong, how; the row that tells (None: the whole file), its code (None: read), words of the sentence
VALUES: list[tuple[str, str, Change, str | None, str | None, str]] = [
    ("template_pairs", "negative box", text(BOXES, "2 3", "-2 3"), TESTED, "box_out_of_bounds", "leaves"),
    ("template_pairs", "comma decimal", text(BOXES, "2 3 12", "2,5 3 12"), TESTED, UNREADABLE, "6 numbers"),
    ("template_pairs", "BOM", text(BOXES, "2 3 12", "\ufeff2 3 12"), TESTED, None, ""),
    ("manifest", "RLE too long", cell("regions", LONG), IMAGE, "runs_size", "runs of 100014"),
    ("manifest", "RLE astronomical", cell("regions", ENDLESS), IMAGE, "runs_size", "40 x 32"),
    ("manifest", "negative box", cell("boxes", [{**BOX, "x0": -3}]), IMAGE, "box_out_of_bounds", "-3"),
    ("manifest", "NaN box", cell("boxes", [{**BOX, "x0": math.nan}]), IMAGE, UNREADABLE, "finite"),
    ("manifest_parquet", "truncated", cut("manifest.parquet"), None, None, "no Parquet file, or damaged"),
    ("manifest_parquet", "truncated to its magic", cut("manifest.parquet", 0.002), None, None, "no Parquet"),
    ("manifest_parquet", "RLE too long", first_row(regions=LONG), IMAGE, "runs_size", "runs of 100014"),
    ("manifest_parquet", "RLE astronomical", first_row(regions=ENDLESS), IMAGE, "runs_size", "40 x 32"),
    ("manifest_parquet", "negative box", first_row(boxes=[{**BOX, "x0": -3.0}]), IMAGE, "box_out_of_bounds", "-3"),
    ("manifest_parquet", "NaN box", first_row(boxes=[{**BOX, "x0": math.nan}]), IMAGE, UNREADABLE, "finite"),
    ("manifest_parquet", "id twice", lambda r: change_rows(r, twice), IMAGE, "listed_twice", "lines 1, 7"),
    ("manifest_parquet", "image missing", first_row(path="gone.jpg"), "gone.jpg", "missing", "no such file"),
    ("manifest_parquet", "no path", first_row(path=None), "manifest.parquet#1", "path_missing", "line 1"),
    ("manifest_parquet", "odd path", first_row(path="a\nb"), "manifest.parquet#1", "path_escapes_root", "'a\\nb'"),
    ("coco", "comma decimal", text(COCO, "[2, 3, 20, 10]", "[2,5, 3, 20, 10]"), IMAGE, UNREADABLE, "list of 5"),
    ("coco", "comma in text", text(COCO, "[2, 3, 20, 10]", '["2,5", 3, 20, 10]'), IMAGE, UNREADABLE, "'2,5'"),
    ("severstal", "comma decimal", text("train.csv", "1 3 40 5", '"1,5 3"'), IMAGE, "runs_malformed", "'1,5'"),
    ("voc", "CRLF", text(XML, "><", ">\r\n<"), CRAZING, None, ""),
    ("voc", "huge size", text(XML, "<filename>", f"{HUGE}<filename>"), CRAZING, UNREADABLE, "larger"),
    ("voc", "line in a name", text(XML, "<name>crazing", "<name>cra\u2028z"), CRAZING, UNREADABLE, "name is"),
    ("yolo", "BOM in data.yaml", text("data.yaml", "names", "\ufeffnames"), IMAGE, None, ""),
    ("yolo", "CRLF in data.yaml", text("data.yaml", "\n", "\r\n"), IMAGE, None, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "_wrong", "change", "path", "code", "words"),
    VALUES,
    ids=[f"{case[0]}: {case[1]}" for case in VALUES],
)
def test_values(
    name: str,
    _wrong: str,
    change: Change,
    path: str | None,
    code: str | None,
    words: str,
    tmp_path: Path,
) -> None:
    FORMATS[name][1](tmp_path)
    change(tmp_path)
    if path is None:
        with pytest.raises(DataError) as caught:
            read(name, tmp_path)
        checked(str(caught.value), words, tmp_path)
        return
    row = read(name, tmp_path)[path]
    assert row["quarantine"] == code
    assert row["label"] is not None or code is not None
    if code is not None:
        checked(row["detail"], words, tmp_path)


# --- names -------------------------------------------------------------------------------------------------------

# part of the layout's names that is replaced, in every name and every text
PARTS = {"folder": "good", "mask_pairs": "exp", "voc": "patches_", "template_pairs": "001"}
ODD = [
    "with  two blanks",
    "ünïcöde 例 ü",
    "Ж\U0001f600",
    "%s {0} $HOME",
    "\u202egnp",
    "-rf #1 & 'x'",
]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("odd", ODD)
def test_names(name: str, odd: str, tmp_path: Path) -> None:
    """Spaces, any alphabet, marks that turn the line round: in the root's name, folders, files and what lists them."""
    root = tmp_path / f"data {odd}"
    FORMATS[name][1](root)
    renamed(root, PARTS.get(name, "crack_"), odd)
    rows = read(name, root)
    assert [(path, row["detail"]) for path, row in rows.items() if row["quarantine"]] == []
    assert sum(odd in path for path in rows) >= 3
    assert len(rows) == 6


def renamed(root: Path, part: str, odd: str) -> None:
    if (root / "manifest.parquet").exists():
        for_all = lambda rows: [row.update(path=row["path"].replace(part, odd)) for row in rows]  # noqa: E731
        change_rows(root, for_all)
    for path in sorted(root.rglob("*"), reverse=True):
        if path.suffix in (".json", ".csv", ".xml"):
            safe = odd.replace("&", "&amp;") if path.suffix == ".xml" else odd
            path.write_text(path.read_text().replace(part, safe))
        if part in path.name:
            path.rename(path.with_name(path.name.replace(part, odd)))


# --- links, pipes and folders in the place of the annotation -----------------------------------------------------


def ring(path: Path) -> None:
    """Two links that name each other."""
    other = path.with_name(f"{path.name}.other")
    path.symlink_to(other.name)
    other.symlink_to(path.name)


PLACES: dict[str, Change] = {
    "ring of links": ring,
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to its folder": lambda path: path.symlink_to(".", target_is_directory=True),
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
}
ANNOTATIONS = {
    "voc": "annotations/patches_1.xml",
    "coco": COCO,
    "yolo": "labels/dent_1.txt",
    "yolo names": "data.yaml",
    "severstal": "train.csv",
    "index_masks": "masks/dent_1.png",
    "mask_pairs": "MT_Crack/Imgs/exp1.png",
    "template_pairs": BOXES,
    "manifest": "manifest.csv",
    "manifest_parquet": "manifest.parquet",
}


@pytest.mark.parametrize("annotation", ANNOTATIONS)
@pytest.mark.parametrize("place", PLACES)
def test_annotation_that_is_no_file(annotation: str, place: str, tmp_path: Path) -> None:
    name, path = annotation.partition(" ")[0], tmp_path / "data" / ANNOTATIONS[annotation]
    FORMATS[name][1](tmp_path / "data")
    path.unlink()
    PLACES[place](path)
    try:
        rows = read(name, tmp_path / "data")
    except DataError as error:
        message = str(error)
        assert message.startswith("data."), message
        assert is_one_line(message.replace(str(tmp_path), ""), tmp_path)
        return
    faults = {row["path"]: row["detail"] for row in rows.values() if row["quarantine"]}
    assert any(path.stem[:4] in at + said for at, said in faults.items()), faults
    assert all(is_one_line(said, tmp_path) and REMEDY.search(said) for said in faults.values())
    assert len(rows) - len(faults) >= 5


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("target", [".", "..", "loop"], ids=["itself", "above", "ring"])
def test_folders_that_lead_round_in_circles(name: str, target: str, tmp_path: Path) -> None:
    """A link to the folder it lies in, or above, in the root and in every folder: passed over, and said so."""
    root = tmp_path / "data"
    FORMATS[name][1](root)
    for folder in [path for path in sorted(root.rglob("*")) if path.is_dir()]:
        (folder / "loop").symlink_to(target, target_is_directory=True)
    rows = read(name, root)
    assert sum(row["quarantine"] is None for row in rows.values()) == 6
    assert {row["quarantine"] for row in rows.values()} <= {
        None,
        "linked_folder",
        "path_escapes_root",
    }
    assert (len(rows) > 6) == (target != "loop")
    shutil.rmtree(root)
