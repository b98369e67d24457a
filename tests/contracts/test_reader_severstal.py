"""Severstal: both forms of the CSV, what each odd or broken line says, and no bytes that crash the reader."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from inspection.config import DataConfig
from inspection.data.readers.base import RawItem
from inspection.data.readers.severstal import parse_runs, read_severstal
from inspection.data.shapes import Mask, Region, ShapeError
from inspection.errors import DataError
from tests.reader_layouts import SIZE, picture, save, severstal_layout
from tests.reading import codes, index_of, is_one_line, regions_in, rows_of

HEADER = "ImageId,ClassId,EncodedPixels\n"


def written(root: Path, text: str | bytes, names: str = "a b c") -> Path:
    """Images a.png, b.png … in train_images, and the CSV."""
    for i, name in enumerate(names.split()):
        save(root / "train_images" / f"{name}.png", picture(i))
    (root / "train.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return root


def encoded(mask: Mask) -> str:
    """The competition's own recipe: pixels from 1 down the columns."""
    pixels = np.concatenate([[0], mask.T.flatten(), [0]])
    runs = np.where(pixels[1:] != pixels[:-1])[0] + 1
    runs[1::2] -= runs[::2]
    return " ".join(str(run) for run in runs)


def test_severstal__regions_and_labels(tmp_path: Path) -> None:
    severstal_layout(tmp_path)
    rows = rows_of("severstal", tmp_path, class_names={2: "dent"})
    crack, dent = rows["images/crack_0.jpg"], rows["images/dent_1.png"]
    assert (crack["label"], crack["label_source"]) == ("class_1", "shape")
    assert (dent["label"], codes(dent)) == ("dent", ["box_label_differs"])
    first, second = regions_in(dent)
    assert first == Region("class_1", (0, 3, 36, 5, SIZE[0] * SIZE[1] - 44))
    assert (second.label, second.area) == ("dent", 60)


@given(arrays.arrays(bool, (SIZE[1], SIZE[0])))
def test_severstal__mask_round_trip(mask: Mask) -> None:
    mask[0, 0] = True
    assert parse_runs("a", encoded(mask)).region(*mask.shape) == Region.of("a", mask)


def test_severstal__mask_through_the_reader(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random(SIZE[::-1]) > 0.7
    written(tmp_path, f"{HEADER}a.png,3,{encoded(mask)}\n", "a")
    (region,) = regions_in(rows_of("severstal", tmp_path)["train_images/a.png"])
    assert np.array_equal(region.mask(*mask.shape), mask)


GOOD_TEXTS: list[tuple[str, str | bytes]] = [
    ("plain", HEADER + "a.png,1,5 2\nb.png,2,1 9\n"),
    ("byte order mark", b"\xef\xbb\xbf" + (HEADER + "a.png,1,5 2\nb.png,2,1 9\n").encode()),
    ("CRLF", "ImageId,ClassId,EncodedPixels\r\na.png,1,5 2\r\nb.png,2,1 9\r\n"),
    ("semicolons", "ImageId;ClassId;EncodedPixels\na.png;1;5 2\nb.png;2;1 9\n"),
    ("quotes", '"ImageId","ClassId","EncodedPixels"\n"a.png","1","5 2"\n"b.png","2","1 9"\n'),
    ("columns turned", "EncodedPixels,ClassId,ImageId\n5 2,1,a.png\n1 9,2,b.png\n"),
    ("blanks", HEADER + "\n a.png , 1 , 5 2 \n\nb.png,2,1 9,,\n"),
    ("old form", "ImageId_ClassId,EncodedPixels\na.png_1,5 2\na.png_2,\nb.png_2,1 9\nc.png_1,\n"),
    ("empty pixels", HEADER + "a.png,1,5 2\nb.png,2,1 9\nc.png,1,\nc.png,,\n"),
    ("folder in the name", HEADER + "train_images/a.png,1,5 2\ntrain_images\\b.png,2,1 9\n"),
]


@pytest.mark.parametrize(("_name", "text"), GOOD_TEXTS, ids=[case[0] for case in GOOD_TEXTS])
def test_severstal__one_table_in_many_spellings(
    _name: str, text: str | bytes, tmp_path: Path
) -> None:
    rows = rows_of("severstal", written(tmp_path, text), ok_class="good")
    labels = {path[-5:]: (row["label"], row["label_source"]) for path, row in rows.items()}
    assert labels == {
        "a.png": ("class_1", "shape"),
        "b.png": ("class_2", "shape"),
        "c.png": ("good", "no_boxes"),
    }
    assert all(row["quarantine"] is None and codes(row) == [] for row in rows.values())


def test_severstal__unnamed_image_without_ok_class(tmp_path: Path) -> None:
    rows = rows_of("severstal", written(tmp_path, HEADER + "a.png,1,5 2\nb.png,1,\n"))
    for name in ("b", "c"):
        row = rows[f"train_images/{name}.png"]
        assert (row["label"], codes(row), row["quarantine"]) == (None, ["label_missing"], None)


ONE_IMAGE: list[tuple[str, str, str, str]] = [
    ("odd number of tokens", "a.png,1,5 2 9", "runs_malformed", "3 numbers, not pairs"),
    ("word", "a.png,1,5 two", "runs_malformed", "'two' is no whole number"),
    ("fraction", "a.png,1,5 2.5", "runs_malformed", "'2.5' is no whole number"),
    ("thousands", "a.png,1,1_0 2", "runs_malformed", "'1_0'"),
    ("huge", f"a.png,1,{'9' * 5000} 2", "runs_malformed", "…' is no whole number"),
    ("zero start", "a.png,1,0 2", "runs_out_of_bounds", "count from 1"),
    ("negative start", "a.png,1,-4 2", "runs_out_of_bounds", "'-4 2'"),
    ("zero length", "a.png,1,4 0", "runs_out_of_bounds", "'4 0'"),
    ("overlap", "a.png,1,5 4 8 2", "runs_overlap", "run at 8 overlaps"),
    ("overlap unsorted", "a.png,1,8 2 5 4", "runs_overlap", "ends at 8"),
    ("too long", "a.png,1,1280 2", "runs_out_of_bounds", "leaves the 40 x 32 image"),
    ("twice", "a.png,1,5 2\na.png,1,9 2", "runs_duplicate", "line 3 gives class 1 a second time"),
    ("twice by path", "a.png,1,5 2\n./a.png,01,9 2", "runs_duplicate", "line 3 gives class 01"),
    ("class", "a.png,one,5 2", "class_not_a_number", "class 'one' is no number"),
    ("no class", "a.png,,5 2", "class_not_a_number", "class '' is no number"),
    ("negative class", "a.png,-1,5 2", "class_not_a_number", "'-1'"),
]


@pytest.mark.parametrize(
    ("_name", "lines", "code", "words"), ONE_IMAGE, ids=[case[0] for case in ONE_IMAGE]
)
def test_severstal__one_images_fault_is_that_images(
    _name: str, lines: str, code: str, words: str, tmp_path: Path
) -> None:
    rows = rows_of("severstal", written(tmp_path, f"{HEADER}{lines}\nb.png,1,5 2\n"))
    found = rows.pop("train_images/a.png")
    assert (found["quarantine"], found["regions"]) == (code, [])
    assert words in found["detail"]
    assert is_one_line(found["detail"], tmp_path)
    assert [row["quarantine"] for row in rows.values()] == [None, None]


LOST: list[tuple[str, str, str, str]] = [
    ("missing", "gone.png", "train_images/gone.png", "label_without_image"),
    ("up", "../a.png", "train.csv#2", "path_escapes_root"),
    ("up inside", "x/../../../a.png", "train.csv#2", "path_escapes_root"),
    ("absolute", "/etc/passwd", "train.csv#2", "path_escapes_root"),
    ("Windows up", "..\\a.png", "train.csv#2", "path_escapes_root"),
    ("drive", "C:\\a.png", "train.csv#2", "path_escapes_root"),
    ("control", "a\0.png", "train.csv#2", "path_escapes_root"),
]


@pytest.mark.parametrize(("_name", "stated", "path", "code"), LOST, ids=[c[0] for c in LOST])
def test_severstal__row_without_an_image_of_ours(
    _name: str, stated: str, path: str, code: str, tmp_path: Path
) -> None:
    rows = rows_of("severstal", written(tmp_path, f"{HEADER}{stated},1,5 2\nb.png,1,5 2\n"))
    assert len(rows) == 4
    assert (rows[path]["quarantine"], rows[path]["pixel_id"]) == (code, None)
    assert is_one_line(rows[path]["detail"], tmp_path)


FILES: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "line 1: the file is empty"),
    ("blank", "\n\n", "line 1: the file is empty"),
    ("no header", "a.png,1,5 2\n", r"line 1: columns 'a.png, 1, 5 2'.*reads a header ImageId"),
    ("other column", "ImageId,ClassId,Pixels\n", "line 1: columns"),
    ("one more column", "ImageId,ClassId,EncodedPixels,fold\na.png,1,5 2,0\n", "nothing else"),
    ("column twice", "ImageId,ImageId,ClassId\n", "column 'ImageId' is there twice"),
    ("short line", HEADER + "a.png,1,5 2\nb.png,1\n", "line 3: 2 cells, the header has 3"),
    ("long line", HEADER + "a.png,1,5 2,7\n", "line 2: 4 cells"),
    ("no name", HEADER + ",1,5 2\n", "line 2: no image named"),
    ("old without class", "ImageId_ClassId,EncodedPixels\na.png,5 2\n", "line 2: no image named"),
    ("open quote", HEADER + 'a.png,1,"5 2\n', "no CSV .*mend the quotes"),
    ("latin 1", HEADER.encode() + b"\xe4.png,1,5 2\n", "line 2: not UTF-8 text"),
    ("UTF-16", HEADER.encode("utf-16"), "line 1: not UTF-8 text"),
]


@pytest.mark.parametrize(("_name", "text", "words"), FILES, ids=[case[0] for case in FILES])
def test_severstal__the_files_own_fault(
    _name: str, text: str | bytes, words: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        index_of("severstal", written(tmp_path, text))
    assert str(caught.value).startswith("data.annotations: 'train.csv' line ")
    assert is_one_line(str(caught.value), tmp_path)


def test_severstal__several_tables(tmp_path: Path) -> None:
    written(tmp_path, HEADER + "a.png,1,5 2\n")
    (tmp_path / "sample_submission.csv").write_text(HEADER)
    with pytest.raises(DataError, match=r"2 files \*\.csv below the root .*say which"):
        index_of("severstal", tmp_path)
    assert index_of("severstal", tmp_path, annotations="train.csv").classes == ("class_1",)


def test_severstal__one_image_under_two_names(tmp_path: Path) -> None:
    text = f"{HEADER}a.png,1,5 2\ntrain_images/a.png,2,9 2\n"
    rows = rows_of("severstal", written(tmp_path, text, "a"))
    assert rows["train_images/a.png"]["label"] == "class_1"
    assert rows["train.csv#3"]["quarantine"] == "label_without_image"
    assert "other rows name too" in rows["train.csv#3"]["detail"]


def test_severstal__a_cell_longer_than_pythons_own_limit(tmp_path: Path) -> None:
    pixels = "5 2 " + " " * 200_000 + "9 1"
    (row,) = rows_of("severstal", written(tmp_path, f"{HEADER}a.png,1,{pixels}\n", "a")).values()
    assert regions_in(row)[0].area == 3


def test_severstal__table_is_a_link_out(tmp_path: Path) -> None:
    written(tmp_path / "data", HEADER + "a.png,1,5 2\n")
    (tmp_path / "data" / "train.csv").rename(tmp_path / "train.csv")
    (tmp_path / "data" / "train.csv").symlink_to(tmp_path / "train.csv")
    with pytest.raises(DataError, match=r"'train.csv' is a link out of data\.root"):
        index_of("severstal", tmp_path / "data")


PLACES: list[tuple[str, Callable[[Path], object], set[str]]] = [
    ("other split", lambda r: save(r / "test_images/z.png", picture(9)), {"train_images"}),
    ("root", lambda r: (r / "train_images/a.png").rename(r / "a.png"), {"train_images"}),
    ("nested", lambda r: (r / "train_images").rename(r / "kaggle"), {"kaggle"}),
]


@pytest.mark.parametrize(("_name", "change", "folders"), PLACES, ids=[c[0] for c in PLACES])
def test_severstal__which_folder_holds_the_images(
    _name: str, change: Callable[[Path], object], folders: set[str], tmp_path: Path
) -> None:
    change(written(tmp_path, HEADER + "b.png,1,5 2\n"))
    rows = rows_of("severstal", tmp_path)
    assert {path.rpartition("/")[0] for path in rows} == folders
    assert rows[f"{folders.pop()}/b.png"]["label"] == "class_1"


def test_severstal__images_in_several_folders(tmp_path: Path) -> None:
    written(tmp_path, HEADER + "a.png,1,5 2\n", "a")
    save(tmp_path / "b" / "a.png", picture(1))
    (tmp_path / "train_images").rename(tmp_path / "c")
    with pytest.raises(DataError, match=r"images lie in 2 folders \(b, c\)"):
        index_of("severstal", tmp_path)


@pytest.mark.fuzz
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: HEADER + t)))
def test_severstal__no_bytes_crash_the_reader(data: str | bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written(Path(folder), data, "a")
        config = DataConfig(kind="severstal", root=Path(folder))
        items, said = list[RawItem](), ""
        try:
            items = read_severstal(Path(folder), config)
        except DataError as error:
            said = str(error)
        assert bool(items) != bool(said)
        assert "\n" not in said
        assert all(isinstance(item, RawItem) for item in items)
        assert len({item.path for item in items}) == len(items)


@pytest.mark.fuzz
@given(st.text(alphabet="0123456789 -x٣", max_size=40))
def test_severstal__no_runs_crash_the_parser(text: str) -> None:
    said = ""
    try:
        runs = parse_runs("a", text)
        assert 0 < runs.region(9, 9).area == sum(runs.lengths)
    except ShapeError as error:
        said = str(error)
    assert "\n" not in said
