"""Annotated pictures: colours that stay, names that can be read, sources and foreign files untouched."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from inspection.data.annotated import annotate, write_annotated
from inspection.data.class_colours import PALETTE, class_colours, colour_of, hexadecimal
from inspection.data.labels_drawn import SMALLEST, Tag, write_tags
from inspection.data.patch_geometry import Window
from inspection.data.readers.base import Box
from inspection.data.shapes import Region
from inspection.errors import DataError
from tests.unit.patch_material import box, files, index_of, marked, region, row, save

GREY = 120


def grey(height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), GREY, np.uint8)


def changed(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return np.asarray((before != after).any(axis=-1))


def near(colour: tuple[int, int, int], pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return np.asarray((np.abs(pixels.astype(int) - colour) <= 2).all(axis=-1))


def test_a_box_is_drawn_in_the_colour_of_its_class_and_named() -> None:
    picture = grey(700, 900)
    drawn = annotate(picture, [Box(300, 200, 500, 400, "dent")], [])
    assert drawn.shape == picture.shape
    assert (picture == GREY).all()
    assert near(colour_of("dent"), drawn)[300, 299:303].any()
    assert not changed(picture, drawn)[240:360, 340:460].any()
    assert not changed(picture, drawn)[420:].any()
    plate = near(colour_of("dent"), drawn)[150:198, 300:500]
    assert plate.sum() > 400
    assert near((0, 0, 0), drawn)[150:198, 300:500].sum() > 40  # letters


def test_a_region_is_washed_and_outlined_and_named_without_a_box() -> None:
    mask = np.zeros((700, 900), bool)
    mask[300:400, 300:400] = True
    drawn = annotate(grey(700, 900), [], [Region.of("crack", mask)])
    colour = np.array(colour_of("crack"))
    assert np.abs(drawn[350, 350] - (0.7 * GREY + 0.3 * colour)).max() <= 1
    assert near(colour_of("crack"), drawn)[298:303, 350].any()
    assert changed(grey(700, 900), drawn)[260:298, 300:360].any()


def test_a_patch_is_a_dashed_square() -> None:
    picture = grey(700, 900)
    drawn = annotate(picture, [], [], [Window(100, 100, 300)])
    line = drawn[100, 101:400]
    assert (line == 255).all(axis=-1).sum() > 100
    assert (line == 0).all(axis=-1).sum() > 100
    assert not changed(picture, drawn)[110:390, 110:390].any()


@pytest.mark.parametrize(
    "shape", [(1, 1), (24, 24), (16, 400), (400, 16), (300, 300), (3000, 4000)]
)
def test_names_can_be_read_in_pictures_of_any_size(shape: tuple[int, int]) -> None:
    whole = Box(0, 0, shape[1], shape[0], "inclusion")
    picture = grey(*shape)
    drawn = annotate(picture, [whole], [])
    factor = drawn.shape[0] // shape[0]
    assert drawn.shape == (shape[0] * factor, shape[1] * factor, 3)
    enlarged = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    assert max(drawn.shape) >= 640
    rows = changed(enlarged, drawn).any(axis=1).sum()
    assert rows >= SMALLEST


def test_names_do_not_hide_each_other() -> None:
    tags = [Tag(f"class {n}", 100, 200, 260, PALETTE[n]) for n in range(4)]
    drawn = write_tags(grey(640, 640), tags)
    seen = [near(PALETTE[n], drawn).sum() for n in range(4)]
    assert min(seen) > 0.7 * max(seen)


@pytest.mark.parametrize(
    "name", ["Kratzer, größer", "трещина", "a\nb\u202e", "", "w" * 300, "\ud800"]
)
def test_any_name_can_be_written(name: str) -> None:
    drawn = annotate(grey(64, 64), [Box(5, 5, 30, 30, name)], [])
    assert near(colour_of(name), drawn).any()


def test_colours_are_stable_and_differ_while_there_are_enough() -> None:
    assert colour_of("dent") == colour_of("dent")
    names = ["ok", "crack", "dent", "pit", "stain", "scratch", "burr"]
    found = class_colours(names)
    assert len(set(found.values())) == len(PALETTE) == 7
    assert class_colours(reversed(names)) == found
    many = class_colours(f"class {n}" for n in range(21))
    assert sorted(many.values()) == sorted(PALETTE * 3)
    assert hexadecimal((230, 159, 0)) == "#e69f00"


def test_the_palette_is_told_apart_without_red_or_green() -> None:
    """Viénot, Brettel and Mollon's matrix for missing green cones, on linear light."""
    missing = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
    linear = (np.array(PALETTE) / 255) ** 2.2
    seen = np.clip(linear @ missing.T, 0, 1) ** (1 / 2.2) * 255
    pixels = seen.astype(np.uint8).reshape(-1, 1, 3)
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(float)
    lab[:, 0] *= 100 / 255
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(len(lab), 1)]
    assert apart.min() > 10


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    save(tmp_path / "data/m.png", marked((5, 5, 20, 20)))
    index = index_of(
        tmp_path / "data",
        row("a/x.png", "dent", boxes=[box("dent", 20, 20, 30, 30)]),
        row("b/x.png", "crack", regions=[region("crack", (3, 3, 9, 9))]),
        row("c.png", "dent", mask_path="m.png"),
        row("bad.png", "dent", quarantine="truncated"),
    )
    (tmp_path / "data/gone.png").write_bytes(b"no image")
    broken = row("gone.png", "dent")
    index = index_of(tmp_path / "data", *index.table().to_pylist(), broken)
    before = files(tmp_path / "data")
    squares = {"a/x.png": [Window(10, 10, 40)]}
    report = write_annotated(index, tmp_path / "out", patches=squares)
    assert (report.written, report.skipped) == (3, {"quarantined": 1, "unknown_format": 1})
    first = files(tmp_path / "out")
    shows = json.loads((tmp_path / "out/annotated.json").read_bytes())["shows"]
    assert sorted(shows.values()) == ["a/x.png", "b/x.png", "c.png"]
    assert set(first) == {*shows, "annotated.json"}
    write_annotated(index, tmp_path / "out", patches=squares)
    assert files(tmp_path / "out") == first
    assert files(tmp_path / "data") == before


def test_refusals(tmp_path: Path) -> None:
    index = index_of(tmp_path / "data", row("a.png", "dent"))
    with pytest.raises(DataError, match="give a folder outside it"):
        write_annotated(index, tmp_path / "data" / "drawn")
    with pytest.raises(DataError, match=r"'b\.png' is not in the index"):
        write_annotated(index, tmp_path / "out", patches={"b.png": []})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(DataError, match=r"holds 'mine\.txt'"):
        write_annotated(index, tmp_path / "out")
