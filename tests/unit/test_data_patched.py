"""Patches as a config asks for them: from run lengths to squares, once, in the groups of their images."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_checks.duplicates import group_duplicates
from inspection.config import ChecksConfig, DataConfig, PatchConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.patched import patched_index
from inspection.errors import DataError
from inspection.store import Store
from tests.severstal_folder import severstal

IMAGES = 16


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    root = severstal(tmp_path_factory.mktemp("steel") / "severstal", images=IMAGES)
    names = {1: "pit", 2: "scale", 3: "scratch", 4: "frame"}
    return DataConfig(kind="severstal", root=root, class_names=names, patches=PatchConfig(size=48))


@pytest.fixture(scope="module")
def index(config: DataConfig, tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    store = Store(tmp_path_factory.mktemp("store"))
    return group_duplicates(ingest(config, ChecksConfig(), store=store, seed=0))[0]


def test_every_defect_is_a_patch_in_the_group_of_its_image(
    config: DataConfig, index: ImageIndex, tmp_path: Path
) -> None:
    patches = patched_index(index, config, store=Store(tmp_path), seed=0)
    assert len(patches) == 2 * IMAGES
    assert set(patches.classes) == {"pit", "scale", "scratch", "frame"}
    assert set(patches.frame["width"]) == set(patches.frame["height"]) == {48}
    assert patches.frame["group"].nunique() == index.frame["group"].nunique()
    grouped, _ = group_duplicates(patches)
    parents = grouped.frame.groupby("pair_id")["group"].nunique()
    assert set(parents) == {1}


def test_patches_are_cut_once_and_again_for_other_options(
    config: DataConfig, index: ImageIndex, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    first = patched_index(index, config, store=store, seed=0)
    written = {path: path.stat().st_mtime_ns for path in first.paths}
    again = patched_index(index, config, store=store, seed=0)
    assert again.to_bytes() == first.to_bytes()
    assert {path: path.stat().st_mtime_ns for path in again.paths} == written
    other = config.model_copy(update={"patches": PatchConfig(size=32)})
    assert set(patched_index(index, other, store=store, seed=0).frame["width"]) == {32}
    assert len(list(store.patches.iterdir())) == 2


def test_asking_for_none_is_a_mistake(
    config: DataConfig, index: ImageIndex, tmp_path: Path
) -> None:
    plain = config.model_copy(update={"patches": None})
    with pytest.raises(DataError, match=r"data\.patches is not set"):
        patched_index(index, plain, store=Store(tmp_path), seed=0)
