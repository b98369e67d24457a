"""Index masks: numbers as stored in every kind of file, labels from them, and what each unusable mask says."""

from __future__ import annotations

import io
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from deploy.edge.errors import ImageError
from inspection.data.class_masks import class_numbers, class_regions
from inspection.data.shapes import ShapeError
from inspection.errors import DataError
from tests.reader_layouts import SIZE, index_mask_layout, picture, save
from tests.reading import codes, index_of, is_one_line, regions_in, rows_of

Numbers = npt.NDArray[np.integer]
NAMES = {1: "inclusion", 2: "patches", 3: "scratches"}


def numbers(*classes: int) -> Numbers:
    """A mask with one row of 10 pixels more for each class than for the one before."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    for i, number in enumerate(classes):
        mask[2 + 6 * i : 3 + 6 * i + i, :10] = number
    return mask


def png(image: Image.Image, **more: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG", **more)
    return stream.getvalue()


def palette(mask: Numbers, bits: int = 8) -> bytes:
    """Colours that are anything but the numbers: class 1 is drawn black."""
    image = Image.fromarray(mask.astype(np.uint8)).convert("P")
    image.putdata(mask.flatten().tolist())
    colours = [255, 255, 255, 0, 0, 0, 200, 10, 30, 9, 9, 200]
    image.putpalette(colours if bits < 8 else colours + [7] * (768 - len(colours)))
    return png(image, bits=bits)


def deep(mask: Numbers) -> bytes:
    return cv2.imencode(".png", mask.astype(np.uint16))[1].tobytes()


def tiff(mask: Numbers) -> bytes:
    return cv2.imencode(".tif", mask)[1].tobytes()


def grey(mask: Numbers) -> bytes:
    return png(Image.fromarray(mask.astype(np.uint8)))


ENCODERS: list[Callable[[Numbers], bytes]] = [
    grey,
    palette,
    lambda mask: palette(mask, 2),
    lambda mask: palette(mask, 4),
    deep,
    tiff,
]


@pytest.mark.parametrize("encode", ENCODERS, ids=["grey", "P8", "P2", "P4", "16 bit", "TIFF"])
@given(mask=arrays.arrays(np.uint8, (7, 5), elements=st.integers(0, 3)))
def test_class_numbers__as_stored(encode: Callable[[Numbers], bytes], mask: Numbers) -> None:
    assert np.array_equal(class_numbers(encode(mask)), mask)


def test_class_numbers__sixteen_bits_and_one() -> None:
    mask = np.array([[0, 300], [65_000, 255]], np.uint16)
    assert np.array_equal(class_numbers(deep(mask)), mask)
    assert class_numbers(png(Image.new("1", (3, 2), 1))).tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("bits", [2, 4])
def test_class_numbers__few_bits_of_grey(bits: int) -> None:
    """PNGs of 2 and 4 bits of grey, which Pillow does not write: a palette one with its colour type changed."""
    data = bytearray(palette(numbers(1, 2, 3), bits))
    data[25] = 0
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    start = data.index(b"PLTE") - 4
    length = int.from_bytes(data[start : start + 4], "big")
    del data[start : start + 12 + length]
    assert np.array_equal(class_numbers(bytes(data)), numbers(1, 2, 3))


def one_mask(root: Path, data: bytes, suffix: str = ".png") -> Path:
    save(root / "images" / "x_1.jpg", picture(1))
    (root / "masks").mkdir()
    (root / "masks" / f"x_1{suffix}").write_bytes(data)
    return root


def test_index_masks__regions_and_label(tmp_path: Path) -> None:
    one_mask(tmp_path, palette(numbers(1, 3)))
    (row,) = rows_of("index_masks", tmp_path, class_names=NAMES).values()
    assert (row["label"], row["label_source"], row["boxes"]) == ("scratches", "mask", [])
    first, second = regions_in(row)
    assert [first.label, second.label] == ["inclusion", "scratches"]
    assert np.array_equal(first.mask(*SIZE[::-1]), numbers(1, 3) == 1)
    assert np.array_equal(second.mask(*SIZE[::-1]), numbers(1, 3) == 3)
    assert row["mask_path"] == "masks/x_1.png"


def test_index_masks__numbers_without_names(tmp_path: Path) -> None:
    index_mask_layout(tmp_path)
    index = index_of("index_masks", tmp_path)
    assert index.classes == ("class_1", "class_2")
    labels = {r.label for row in index.table().to_pylist() for r in regions_in(row)}
    assert labels == {"class_1", "class_2"}, "255 is not judged"


def test_index_masks__255_is_a_class_when_it_has_a_name(tmp_path: Path) -> None:
    one_mask(tmp_path, grey(numbers(255)))
    (row,) = rows_of("index_masks", tmp_path, class_names={255: "hole"}).values()
    assert row["label"] == "hole"


@pytest.mark.parametrize(
    ("options", "label", "warnings"),
    [
        ({"ok_class": "good"}, "good", []),
        ({}, None, ["label_missing"]),
        ({"label_pattern": "^(x)"}, "x", ["mask_empty"]),
        ({"label_pattern": "^(x)", "ok_class": "x"}, "x", []),
    ],
)
def test_index_masks__empty_mask(
    options: dict[str, str], label: str | None, warnings: list[str], tmp_path: Path
) -> None:
    (row,) = rows_of("index_masks", one_mask(tmp_path, grey(numbers())), **options).values()
    assert (row["label"], codes(row), row["quarantine"]) == (label, warnings, None)
    assert row["regions"] == []


def test_index_masks__good_part_with_a_defect(tmp_path: Path) -> None:
    one_mask(tmp_path, grey(numbers(1)))
    (row,) = rows_of("index_masks", tmp_path, ok_class="x", label_pattern="^(x)").values()
    assert (row["label"], codes(row)) == ("x", ["mask_not_empty"])


def test_index_masks__ok_class_that_no_mask_gives(tmp_path: Path) -> None:
    one_mask(tmp_path, grey(numbers(1)))
    with pytest.raises(DataError, match=r"no image is labelled 'good'; give one of class_1"):
        index_of("index_masks", tmp_path, ok_class="good")


BAD: list[tuple[str, bytes, str, str]] = [
    ("RGB", png(picture(2)), "mask_not_indexed", "export it as grey or palette PNG"),
    ("RGBA", png(picture(2, mode="RGBA")), "mask_not_indexed", "colours (RGBA)"),
    ("grey and alpha", png(picture(2, mode="LA")), "mask_not_indexed", "colours (LA)"),
    ("black and white", grey(numbers(255)), "mask_not_indexed", "kind 'mask_pairs'"),
    ("unknown class", grey(numbers(1, 4)), "mask_class_unknown", "class 4 has no name"),
    ("other size", grey(numbers(1).T), "mask_size", "is 32 x 40, the image 40 x 32"),
    ("cut", grey(numbers(1))[:-30], "mask_undecodable", "masks/x_1.png"),
    ("empty", b"", "mask_undecodable", "empty"),
    ("text", b"not an image", "mask_undecodable", "masks/x_1.png"),
]


@pytest.mark.parametrize(("_name", "data", "code", "words"), BAD, ids=[case[0] for case in BAD])
def test_index_masks__mask_that_cannot_be_used(
    _name: str, data: bytes, code: str, words: str, tmp_path: Path
) -> None:
    (row,) = rows_of("index_masks", one_mask(tmp_path, data), class_names=NAMES).values()
    assert (row["quarantine"], row["label"], row["regions"]) == (code, None, [])
    assert words in row["detail"]
    assert is_one_line(row["detail"], tmp_path)


def test_index_masks__jpeg_blurs_numbers(tmp_path: Path) -> None:
    data = cv2.imencode(".jpg", numbers(1))[1].tobytes()
    (row,) = rows_of("index_masks", one_mask(tmp_path, data, ".jpg")).values()
    assert row["quarantine"] == "mask_not_indexed"
    assert "JPEG does not keep class numbers" in row["detail"]


CHANGES: list[tuple[str, Callable[[Path], object], str, str]] = [
    ("no mask", lambda p: (p / "masks/crack_0.png").unlink(), "images/crack_0.jpg", "mask_missing"),
    (
        "no image",
        lambda p: (p / "images/crack_0.jpg").unlink(),
        "masks/crack_0.png",
        "label_without_image",
    ),
    (
        "two masks",
        lambda p: shutil.copy(p / "masks/crack_0.png", p / "masks/crack_0.tif"),
        "images/crack_0.jpg",
        "mask_ambiguous",
    ),
    (
        "mask is a link out",
        lambda p: (
            (p / "masks/crack_0.png").rename(p.parent / "out.png")
            and (p / "masks/crack_0.png").symlink_to(p.parent / "out.png")
        ),
        "images/crack_0.jpg",
        "path_escapes_root",
    ),
]


@pytest.mark.parametrize(
    ("_name", "change", "path", "code"), CHANGES, ids=[case[0] for case in CHANGES]
)
def test_index_masks__halves(
    _name: str, change: Callable[[Path], object], path: str, code: str, tmp_path: Path
) -> None:
    index_mask_layout(tmp_path / "data")
    change(tmp_path / "data")
    rows = rows_of("index_masks", tmp_path / "data")
    assert len(rows) == 6
    assert {name for name, row in rows.items() if row["quarantine"]} == {path}
    assert rows[path]["quarantine"] == code


@pytest.mark.parametrize("masks", ["Annotations", "MASKS"])
def test_index_masks__folders_in_any_case_and_depth(masks: str, tmp_path: Path) -> None:
    index_mask_layout(tmp_path)
    (tmp_path / "masks").rename(tmp_path / "aside")
    (tmp_path / masks).mkdir()
    (tmp_path / "aside").rename(tmp_path / masks / "monday")
    (tmp_path / "images").rename(tmp_path / "aside")
    (tmp_path / "images").mkdir()
    (tmp_path / "aside").rename(tmp_path / "images" / "monday")
    assert len(index_of("index_masks", tmp_path).usable()) == 6


def test_index_masks__the_folder_that_holds_images(tmp_path: Path) -> None:
    index_mask_layout(tmp_path)
    (tmp_path / "masks").rename(tmp_path / "annotations")
    (tmp_path / "masks").mkdir()
    assert len(index_of("index_masks", tmp_path).usable()) == 6


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_index_masks__folder_missing(folder: str, tmp_path: Path) -> None:
    index_mask_layout(tmp_path)
    shutil.rmtree(tmp_path / folder)
    with pytest.raises(DataError, match=f"data.root: .* has no folder {folder}"):
        index_of("index_masks", tmp_path)


@pytest.mark.assets
def test_index_masks__published_masks_agree_with_their_names(assets: Path, tmp_path: Path) -> None:
    """The set's file names and its masks were made by different people."""
    source = assets / "data" / "neu_det"
    shutil.copytree(source / "masks", tmp_path / "masks")
    (tmp_path / "images").mkdir()
    for mask in (tmp_path / "masks").iterdir():
        shutil.copy(source / "images" / f"{mask.stem}.jpg", tmp_path / "images")
    rows = rows_of("index_masks", tmp_path, class_names=NAMES)
    assert len(rows) == 120
    assert all(path.startswith(f"images/{row['label']}_") for path, row in rows.items())


@pytest.mark.fuzz
@given(st.binary(max_size=200), st.integers(0, 200), st.booleans())
def test_class_numbers__no_bytes_crash_it(data: bytes, at: int, whole: bool) -> None:
    if not whole:
        base = palette(numbers(1, 2))
        data = base[:at] + data[:3] + base[at + 3 :]
    said = ""
    try:
        class_regions(class_numbers(data), {})
    except (ImageError, ShapeError) as error:
        said = str(error)
    assert "\n" not in said
    assert " at 0x" not in said
