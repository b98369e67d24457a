"""Every question passes on a clean index, fails on its own planted fault, and says what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_checks.contradictions import quarantine_contradictions
from data_checks.expectations import ask
from data_checks.files_there import FILE_CHECKS, check_files
from data_checks.quality import measure_quality
from data_checks.questions import CHECKS
from inspection.config import ChecksConfig
from inspection.data.index import ImageIndex
from tests.unit.checks_material import clean_index

FIRST = "ok/00.png"
BOX = {"x0": 4.0, "y0": 4.0, "x1": 20.0, "y1": 20.0, "label": "scratch"}

Plant = Callable[[ImageIndex], ImageIndex]


def put(column: str, value: Any, path: str = FIRST) -> Plant:
    """Write `value` into one row."""

    def plant(index: ImageIndex) -> ImageIndex:
        values = index.frame[column].astype(object).tolist()
        values[list(index.frame["path"]).index(path)] = value
        return index.with_columns(**{column: values})

    return plant


def everywhere(**columns: Any) -> Plant:
    return lambda index: index.with_columns(**columns)


def few_of_a_class(index: ImageIndex) -> ImageIndex:
    kept = (index.frame["label"] == "ok") | (index.frame["path"] == "scratch/00.png")
    return index.where(kept)


def twins(*facts: tuple[str, list[Any]]) -> Plant:
    """Give the first two rows equal pixels, and what `facts` says of each."""

    def plant(index: ImageIndex) -> ImageIndex:
        ids = index.frame["pixel_id"].tolist()
        columns: dict[str, list[Any]] = {"pixel_id": [ids[0], ids[0], *ids[2:]]}
        for column, values in facts:
            columns[column] = [*values, *index.frame[column].astype(object).tolist()[2:]]
        return index.with_columns(**columns)

    return plant


def torn_group(index: ImageIndex) -> ImageIndex:
    groups = index.frame["group"].tolist()
    splits = ["train", "test", *index.frame["split"].tolist()[2:]]
    return index.with_columns(group=[groups[0], groups[0], *groups[2:]], split=splits)


PLANTED: dict[str, Plant] = {
    "images_left": everywhere(quarantine="undecodable", detail="planted"),
    "quarantine_share": lambda index: index.with_columns(
        quarantine=["truncated" if row % 2 else None for row in range(len(index))],
        detail="planted",
    ),
    "quarantine_explained": put("quarantine", "truncated"),
    "path_inside_root": put("path", "ok/../../secret.png"),
    "mask_inside_root": put("mask_path", "/etc/mask.png"),
    "file_hash": put("image_id", "ABC"),
    "pixel_hash": put("pixel_id", "f" * 63),
    "file_hash_present": put("image_id", None),
    "decoded": put("pixel_id", None),
    "format_known": put("format", "gif"),
    "channels_known": put("channels", 7),
    "bit_depth_known": put("bit_depth", 12),
    "width_enough": put("width", 3),
    "height_enough": put("height", 15),
    "size_bounded": lambda index: put("height", 12_000)(put("width", 12_000)(index)),
    "label_present": put("label", None),
    "two_classes": everywhere(label="ok"),
    "class_size": few_of_a_class,
    "label_agreed": twins(("label", ["ok", "scratch"])),
    "boxes_agreed": twins(("boxes", [[BOX], []])),
    "boxes_inside": put("boxes", [{**BOX, "x1": 49.0}]),
    "split_known": put("split", "tset"),
    "group_in_one_split": torn_group,
    "not_blank": put("contrast", 0.2),
    "exposure": put("brightness", 254.0),
}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    return clean_index(tmp_path_factory.mktemp("clean"))


def test_every_check__has_a_planted_fault() -> None:
    assert set(PLANTED) == set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_check__passes_on_clean_data(clean: ImageIndex, name: str) -> None:
    (result,) = ask(clean, ChecksConfig(), [name])

    assert result.passed, result.sentence
    assert result.rows == ()
    assert result.error is None


@pytest.mark.parametrize("name", CHECKS)
def test_check__fails_on_its_own_fault_and_gives_advice(clean: ImageIndex, name: str) -> None:
    (result,) = ask(PLANTED[name](clean), ChecksConfig(), [name])

    assert not result.passed, f"{name} did not see its fault"
    assert result.error is None, result.error
    assert result.advice
    assert len(result.sentence.splitlines()) == 1
    assert result.limit in result.sentence


@pytest.mark.parametrize(
    "box",
    [
        {**BOX, "x0": -1.0},
        {**BOX, "y1": 48.5},
        {**BOX, "x1": BOX["x0"]},
        {**BOX, "y0": 30.0},
    ],
    ids=["left of 0", "below the image", "no width", "upside down"],
)
def test_boxes_inside__names_the_image(clean: ImageIndex, box: dict[str, Any]) -> None:
    (result,) = ask(put("boxes", [BOX, box])(clean), ChecksConfig(), ["boxes_inside"])

    assert result.rows == (FIRST,)


def test_contradictions_in_quarantine__no_longer_fail(clean: ImageIndex) -> None:
    torn = PLANTED["label_agreed"](clean)

    (result,) = ask(quarantine_contradictions(torn), ChecksConfig(), ["label_agreed"])

    assert result.passed


def _replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


PLANTED_FILES: dict[str, Callable[[Path], object]] = {
    "files_there": lambda path: path.unlink(),
    "files_readable": _replace_by_a_folder,
    "files_unchanged": lambda path: path.write_bytes(path.read_bytes() + b" "),
}


def test_every_check_of_files__has_a_planted_fault() -> None:
    assert set(PLANTED_FILES) == set(FILE_CHECKS)


@pytest.mark.parametrize("name", FILE_CHECKS)
def test_check_of_files__fails_on_its_own_fault_alone(tmp_path: Path, name: str) -> None:
    index = clean_index(tmp_path, per_class=2)
    before = check_files(index, measure_quality(index, ChecksConfig()).faults)
    PLANTED_FILES[name](tmp_path / FIRST)
    after = check_files(index, measure_quality(index, ChecksConfig()).faults)

    assert all(result.passed for result in before)
    (failed,) = (result for result in after if not result.passed)
    assert (failed.name, failed.rows, failed.severity) == (name, (FIRST,), "critical")
    assert failed.advice
    assert failed.limit in failed.sentence


def test_real_folder__is_not_needed(clean: ImageIndex, tmp_path: Path) -> None:
    elsewhere = ImageIndex(tmp_path / "gone", clean.frame)

    assert all(result.passed for result in ask(elsewhere, ChecksConfig(), list(CHECKS)))
