"""Patches: what they hold and inherit, what is left out and counted, and that nothing of anybody's is touched."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deploy.edge.files import sha256_file
from inspection.config import ChecksConfig, DataConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.patch_geometry import Window, cropped
from inspection.data.patches import PatchOptions, cut_patches
from inspection.data.shapes import Region
from inspection.errors import DataError
from inspection.store import Store
from tests.unit.patch_material import (
    SHAPE,
    box,
    files,
    index_of,
    marked,
    region,
    row,
    rows_of,
    save,
    surface,
    told,
)

pytestmark = pytest.mark.thorough

OPTIONS = PatchOptions(size=48, min_patch_side=16)


def test_parts_of_a_mask_become_patches_of_their_own(tmp_path: Path) -> None:
    parts = (10, 10, 30, 20), (70, 60, 90, 80), (50, 5, 51, 6)
    save(tmp_path / "data/dent/a.mask.png", marked(*parts))
    index = index_of(tmp_path / "data", row("dent/a.jpg", "dent", mask_path="dent/a.mask.png"))
    report = cut_patches(index, OPTIONS, tmp_path / "out", seed=1)
    assert (report.made, report.images, report.too_small) == ({"dent": 2}, 1, 1)
    facts = told(report)["patches"]
    assert [each["box"] for each in facts] == [[70, 60, 90, 80], [10, 10, 30, 20]]
    assert [each["window"] for each in facts] == [[65, 50, 30], [5, 0, 30]]
    assert {each["parent"] for each in facts} == {"dent/a.jpg"}


def test_patches_show_the_parents_pixels(tmp_path: Path) -> None:
    root = tmp_path / "data"
    picture = surface(3)
    save(root / "a.png", picture)
    index = index_of(root, row("a.png", "dent", boxes=[box("dent", 20, 30, 40, 50)]))
    report = cut_patches(index, PatchOptions(size=30, context=0.5), tmp_path / "out", seed=0)
    written = cv2.imread(str(report.folder / rows_of(report)[0]["path"]))
    x, y, side = told(report)["patches"][0]["window"]
    assert side == 32  # min_patch_side is larger than 20 * 1.5
    wanted = cv2.resize(picture[y : y + side, x : x + side], (30, 30), interpolation=cv2.INTER_AREA)
    assert written is not None
    assert np.array_equal(written, wanted)


def test_boxes_and_regions_move_with_their_patch(tmp_path: Path) -> None:
    regions = [region("dent", (20, 20, 40, 40)), region("crack", (38, 30, 44, 34))]
    drawn = row("a.png", "dent", regions=regions)
    options = PatchOptions(size=60, min_patch_side=8, max_per_image=1)
    report = cut_patches(index_of(tmp_path / "data", drawn), options, tmp_path / "out", seed=0)
    found = rows_of(report)[0]
    assert report.over_limit == 1
    assert told(report)["patches"][0]["window"] == [15, 15, 30]
    assert found["boxes"] == [box("dent", 10, 10, 50, 50), box("crack", 46, 30, 58, 38)]
    assert found["warnings"] == ["patch_holds_others: also shows crack"]
    dent = next(each for each in found["regions"] if each["label"] == "dent")
    mask = Region("dent", tuple(dent["counts"])).mask(60, 60)
    assert mask[10:50, 10:50].all()
    assert mask.sum() == 1600


def test_a_box_counts_once_when_its_region_is_drawn_too(tmp_path: Path) -> None:
    drawn = row(
        "a.png",
        "dent",
        regions=[region("dent", (20, 20, 40, 40))],
        boxes=[box("dent", 19, 19, 41, 41), box("dent", 70, 50, 80, 60), box("ok", 0, 0, 99, 79)],
    )
    options = dataclasses.replace(OPTIONS, ok_class="ok")
    report = cut_patches(index_of(tmp_path / "data", drawn), options, tmp_path / "out", seed=0)
    assert report.made == {"dent": 2}
    assert [each["label_source"] for each in rows_of(report)] == ["region", "box"]


def test_group_split_and_parent_are_inherited(tmp_path: Path) -> None:
    boxes = [box("dent", 20, 20, 30, 30), box("dent", 60, 60, 70, 70)]
    index = index_of(
        tmp_path / "data",
        row("a.png", "dent", boxes=boxes, group="lot 7", split="test", camera="left"),
        row("b.png", "dent", boxes=boxes[:1]),
    )
    ids = [sha256_file(path) for path in index.paths]
    index = index.with_columns(image_id=ids)
    found = rows_of(cut_patches(index, OPTIONS, tmp_path / "out", seed=0))
    assert [(each["group"], each["split"], each["camera"]) for each in found] == [
        ("lot 7", "test", "left"), ("lot 7", "test", "left"), (ids[1], None, None)
    ]  # fmt: skip
    assert [each["pair_id"] for each in found] == ["a.png", "a.png", "b.png"]


def test_a_folder_of_patches_is_a_data_set(tmp_path: Path) -> None:
    index = index_of(
        tmp_path / "data",
        row("a.png", "dent", boxes=[box("dent", 20, 20, 30, 30)]),
        row("b.png", "crack", boxes=[box("crack", 1, 1, 9, 30)]),
    )
    report = cut_patches(index, OPTIONS, tmp_path / "out", seed=0)
    config = DataConfig(kind="folder", root=report.folder)
    again = ingest(config, ChecksConfig(), store=Store(tmp_path / "store"), seed=0)
    named = ("path", "label", "image_id", "pixel_id", "width", "brightness", "format", "quarantine")
    read = {each["path"]: [each[n] for n in named] for each in again.table().to_pylist()}
    assert read == {each["path"]: [each[n] for n in named] for each in rows_of(report)}


def test_again_is_the_same_and_sources_stay_as_they_are(tmp_path: Path) -> None:
    index = index_of(
        tmp_path / "data",
        row("good/a.png", "ok"),
        row("dent/b.png", "dent", boxes=[box("dent", 20, 20, 30, 30)]),
    )
    before = files(tmp_path / "data")
    options = dataclasses.replace(OPTIONS, ok_class="ok", ok_per_image=2)
    cut_patches(index, options, tmp_path / "out", seed=4)
    first = files(tmp_path / "out")
    cut_patches(index, options, tmp_path / "out", seed=4)
    assert files(tmp_path / "out") == first
    shuffled = ImageIndex(index.root, index.frame.iloc[::-1].reset_index(drop=True))
    cut_patches(shuffled, options, tmp_path / "out", seed=4)
    assert files(tmp_path / "out") == first
    cut_patches(index, options, tmp_path / "out", seed=5)
    assert files(tmp_path / "out") != first
    assert files(tmp_path / "data") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]


def test_sound_patches_touch_neither_a_defect_nor_each_other(tmp_path: Path) -> None:
    # The second part is too small to be a patch, and a defect all the same.
    parts = (20, 20, 30, 30), (70, 60, 71, 61)
    index = index_of(
        tmp_path / "data",
        row("a.png", "dent", regions=[region("dent", *parts)]),
        row("b.png", "ok"),
        row("undrawn.png", "dent"),
    )
    options = dataclasses.replace(OPTIONS, ok_class="ok", ok_per_image=30, ok_gap=5)
    report = cut_patches(index, options, tmp_path / "out", seed=2)
    assert report.skipped == {"nothing_drawn": 1}
    assert report.made == {"dent": 1, "ok": 60 - report.no_room}
    cut = [each for each in told(report)["patches"] if each["parent"] == "a.png"]
    sound = [each["window"] for each in cut if not each["box"]]
    assert len(sound) > 5
    canvas = np.zeros(SHAPE, int)
    for x0, y0, x1, y1 in parts:
        canvas[y0 - 5 : y1 + 5, x0 - 5 : x1 + 5] = 1
    for x, y, side in sound:
        canvas[y : y + side, x : x + side] += 1
    assert canvas.max() == 1


def test_sound_patches_are_as_large_as_those_of_defects(tmp_path: Path) -> None:
    index = index_of(
        tmp_path / "data",
        row("a.png", "dent", boxes=[box("dent", 20, 20, 44, 30)]),
        row("b.png", "ok"),
    )
    options = dataclasses.replace(OPTIONS, ok_class="ok", ok_per_image=1, ok_from_defective=False)
    report = cut_patches(index, options, tmp_path / "out", seed=2)
    assert [each["window"][2] for each in told(report)["patches"]] == [36, 36]


def test_an_image_smaller_than_its_patch_is_mirrored(tmp_path: Path) -> None:
    small = {**row("a.png", "dent", boxes=[box("dent", 2, 2, 9, 9)]), "width": 12, "height": 40}
    report = cut_patches(index_of(tmp_path / "data", small), OPTIONS, tmp_path / "out", seed=0)
    assert report.mirrored == 1
    assert told(report)["patches"][0]["window"] == [-2, 0, 16]
    stored = cv2.imread(str(tmp_path / "data" / "a.png"))
    assert stored is not None
    patch = cropped(stored.astype(np.uint8), Window(-2, 0, 16))
    assert np.array_equal(patch[:, 2:14], stored[:16])
    assert np.array_equal(patch[:, 0], stored[:16, 2])


def mask_of_other_size(root: Path) -> dict[str, Any]:
    save(root / "m.png", marked((1, 1, 9, 9), shape=(40, 40)))
    return row("x.png", "dent", mask_path="m.png")


def mask_of_a_sound_part(root: Path) -> dict[str, Any]:
    save(root / "m.png", marked((1, 1, 9, 9)))
    return row("x.png", "ok", mask_path="m.png")


def broken_mask(root: Path) -> dict[str, Any]:
    (root / "m.png").write_bytes(b"no image")
    return row("x.png", "dent", mask_path="m.png")


def gone(root: Path) -> dict[str, Any]:
    save(root / "x.png", surface(0)).unlink()
    (root / "x.png").mkdir()
    return row("x.png", "dent", boxes=[box("dent", 1, 1, 9, 9)])


SKIPPED: dict[str, Callable[[Path], dict[str, Any]]] = {
    "quarantined": lambda _: row("x.png", "dent", quarantine="truncated", boxes=[box("dent", 1, 1, 9, 9)]),
    "changed_since_import": lambda _: row("x.png", "dent", image_id="0" * 64, boxes=[box("dent", 1, 1, 9, 9)]),
    "mask_size": mask_of_other_size,
    "label_contradicts_mask": mask_of_a_sound_part,
    "mask_unknown_format": broken_mask,
    "mask_missing": lambda _: row("x.png", "dent", mask_path="none.png"),
    "unreadable": gone,
    "region_size": lambda _: row("x.png", "dent", regions=[{"label": "dent", "counts": [1, 2, 3]}]),
    "nothing_drawn": lambda _: row("x.png", "dent"),
    "sound": lambda _: row("x.png", "ok"),
    "too_small": lambda _: row("x.png", "dent", boxes=[box("dent", 1, 1, 2, 2)]),
    "size_unknown": lambda _: {**row("x.png", "dent"), "image_id": None},
}  # fmt: skip


@pytest.mark.parametrize("reason", SKIPPED)
def test_what_cannot_be_cut_is_counted_by_its_reason(tmp_path: Path, reason: str) -> None:
    root = tmp_path / "data"
    root.mkdir()
    odd = SKIPPED[reason](root)
    sound = row("good.png", "dent", boxes=[box("dent", 1, 1, 9, 9)])
    index = index_of(root, odd, sound)
    if reason == "size_unknown":
        index = ImageIndex.from_rows(root, [{**odd, "width": None}, sound])
    options = dataclasses.replace(OPTIONS, ok_class="ok")
    report = cut_patches(index, options, tmp_path / "out", seed=0)
    assert report.skipped == {reason: 1}
    assert report.made == {"dent": 1}


def test_refusals(tmp_path: Path) -> None:
    index = index_of(tmp_path / "data", row("a.png", "dent", boxes=[box("dent", 1, 1, 9, 9)]))
    before = files(tmp_path)
    for place in (tmp_path / "data", tmp_path / "data" / "out", tmp_path):
        with pytest.raises(DataError, match="give a folder outside it"):
            cut_patches(index, OPTIONS, place, seed=0)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    with pytest.raises(DataError, match="give a folder outside it"):
        cut_patches(index, OPTIONS, tmp_path / "link" / "out", seed=0)
    (tmp_path / "link").unlink()
    (tmp_path / "note").write_text("x")
    with pytest.raises(DataError, match="is a file; give a new or empty folder"):
        cut_patches(index, OPTIONS, tmp_path / "note", seed=0)
    (tmp_path / "note").unlink()
    with pytest.raises(DataError, match=r"nothing to cut \(too_small 1\)"):
        cut_patches(index, dataclasses.replace(OPTIONS, min_side=50), tmp_path / "out", seed=0)
    assert files(tmp_path) == before


@pytest.mark.parametrize("later", [False, True])
def test_a_foreign_file_keeps_its_folder(tmp_path: Path, later: bool) -> None:
    index = index_of(tmp_path / "data", row("a.png", "dent", boxes=[box("dent", 1, 1, 9, 9)]))
    if later:
        cut_patches(index, OPTIONS, tmp_path / "out", seed=0)
    save(tmp_path / "out" / "dent" / "mine.png", surface(1))
    held = files(tmp_path / "out")
    with pytest.raises(
        DataError, match=r"holds 'dent/mine\.png', which is not from an earlier run"
    ):
        cut_patches(index, OPTIONS, tmp_path / "out", seed=0)
    assert files(tmp_path / "out") == held
