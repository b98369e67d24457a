"""The checks on published sets nobody here drew: what they must find, and what they must leave alone."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from data_checks.contradictions import quarantine_contradictions
from data_checks.duplicates import group_duplicates
from data_checks.leaks import leak_report
from data_checks.similarity import common_scale, similarity, spectra_of
from inspection.config import ChecksConfig, DataConfig, SplitConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.splits import split
from inspection.store import Store

pytestmark = pytest.mark.assets

SAME_TILE = 130
"""Magnetic-tile's authors number frames: one tile's exposures follow each other within so many."""
OTHER_TILE = 3000


def read(config: DataConfig, folder: Path) -> ImageIndex:
    index = ingest(config, ChecksConfig(), store=Store(folder), seed=7)
    return quarantine_contradictions(index)


def quarantined(index: ImageIndex) -> Counter[str]:
    return Counter(index.frame["quarantine"].dropna())


def frame_number(path: str) -> int:
    found = re.search(r"num_(\d+)", path)
    assert found is not None
    return int(found.group(1))


def exposure(path: str) -> str:
    found = re.search(r"exp(\d)", path)
    assert found is not None
    return found.group(1)


@pytest.fixture(scope="module")
def tiles(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageIndex:
    root = assets / "data" / "magnetic_tile"
    return read(DataConfig(kind="mask_pairs", root=root), tmp_path_factory.mktemp("store"))


def test_tiles__re_exposures_share_a_group_and_no_group_swallows_the_set(tiles: ImageIndex) -> None:
    grouped, report = group_duplicates(tiles)
    group = dict(zip(grouped.frame["path"], grouped.frame["group"], strict=True))
    sizes = {
        path: (width, height)
        for path, width, height in zip(
            grouped.frame["path"], grouped.frame["width"], grouped.frame["height"], strict=True
        )
    }
    ordered = sorted(group, key=frame_number)
    same = [
        (a, b)
        for place, a in enumerate(ordered)
        for b in ordered[place + 1 : place + 8]
        if frame_number(b) - frame_number(a) <= SAME_TILE
        and exposure(a) != exposure(b)
        and all(abs(m - n) <= 0.12 * m for m, n in zip(sizes[a], sizes[b], strict=True))
    ]

    found = sum(group[a] == group[b] for a, b in same)
    assert len(same) > 2000
    assert found / len(same) > 0.99
    assert report.largest_group <= 18, "more than three times the six exposures of a tile"
    assert Counter(map(len, report.groups)).most_common(1)[0][0] == 6
    apart = [abs(frame_number(p.path_a) - frame_number(p.path_b)) for p in report.pairs]
    assert sum(gap > OTHER_TILE for gap in apart) / len(apart) < 0.05


def test_tiles__grouped_split_leaks_nothing_and_a_random_one_much(tiles: ImageIndex) -> None:
    grouped, duplicates = group_duplicates(tiles)
    parted = split(grouped, SplitConfig(), seed=7)

    report = leak_report(parted, duplicates, seed=7)

    assert report.rate == 0.0
    assert report.random_rate > 0.9


@pytest.mark.slow
def test_tiles__grouped_split_has_no_twins_that_the_candidate_search_missed(
    tiles: ImageIndex,
) -> None:
    grouped, _ = group_duplicates(tiles)
    parted = split(grouped, SplitConfig(), seed=7)
    test, train = parted.split("test"), parted.split("train")
    sizes = list(zip(parted.frame["width"], parted.frame["height"], strict=True))
    scale = common_scale(sizes)
    seen, known = spectra_of(test.paths, scale), spectra_of(train.paths, scale)

    closest = [float(similarity(known, one[None]).max()) for one in seen]

    assert max(closest) < 0.5, "every test image against every training image"


def test_steel__image_that_exists_twice_with_other_boxes_is_set_aside(
    assets: Path, tmp_path: Path
) -> None:
    root = assets / "data" / "neu_det"
    index = read(DataConfig(kind="voc", root=root, label_pattern=r"^(.+)_\d+$"), tmp_path)

    torn = index.frame[index.frame["quarantine"].notna()]
    assert quarantined(index) == {"box_conflict": 2}
    assert torn["pixel_id"].nunique() == 1
    _, report = group_duplicates(index)
    assert report.largest_group <= 8


def test_flowers__copies_under_two_labels_are_set_aside_and_plain_copies_kept(
    assets: Path, tmp_path: Path
) -> None:
    index = read(DataConfig(kind="folder", root=assets / "data" / "flowers"), tmp_path)
    kept = index.usable().frame
    copies = kept["pixel_id"].duplicated(keep=False)

    assert set(quarantined(index)) == {"label_conflict"}
    assert quarantined(index)["label_conflict"] >= 2
    assert copies.any(), "this set has plain copies"
    assert (kept[copies].groupby("pixel_id")["label"].nunique() == 1).all()


def test_pipe_frames__copies_and_near_copies_share_groups(assets: Path, tmp_path: Path) -> None:
    root = tmp_path / "frames"
    (root / "pipe").mkdir(parents=True)
    for path in (assets / "data" / "pipe_frames").glob("*.jpg"):
        (root / "pipe" / path.name).write_bytes(path.read_bytes())
    (root / "other").mkdir()
    (root / "other" / "x.jpg").write_bytes((root / "pipe" / "2.jpg").read_bytes())
    index = ingest(
        DataConfig(kind="folder", root=root), ChecksConfig(), store=Store(tmp_path), seed=7
    )

    grouped, report = group_duplicates(index)

    group = dict(zip(grouped.frame["path"], grouped.frame["group"], strict=True))
    assert len(report.exact_groups) >= 2
    for name in ("000110_2", "000167_1", "000275_1", "000433_2"):
        assert group[f"pipe/{name}.jpg"] == group[f"pipe/{name}_detected.jpg"]
