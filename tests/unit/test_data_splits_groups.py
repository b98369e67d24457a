"""Groups from many sources as one, the split that the data came with, and the test set a split belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inspection.config import RunConfig, SplitConfig
from inspection.data.grouping import named_keys, part_ids, unite_groups
from inspection.data.index import ImageIndex
from inspection.data.own_split import own_split, place, split_of
from inspection.data.test_set import test_set_path
from inspection.errors import DataError
from inspection.store import Store
from pipelines.door import contradictions


def rows_of(*rows: dict[str, Any]) -> ImageIndex:
    """Images 00, 01 … with pixels of their own."""
    given = [
        {
            "image_id": f"{n:02d}",
            "pixel_id": f"p{n}",
            "path": f"{n:02d}.png",
            "label": "a",
            **row,
        }
        for n, row in enumerate(rows)
    ]
    return ImageIndex.from_rows(Path("root"), given)


def groups(index: ImageIndex, **config: Any) -> list[str | None]:
    return list(unite_groups(index, SplitConfig(**config)).frame["group"])


def test_every_source_of_groups_is_joined_with_every_other() -> None:
    chain = rows_of(
        {},
        {"group": "x"},
        {"group": "x", "pair_id": "y"},
        {"pair_id": "y", "pixel_id": "same"},
        {"pixel_id": "same", "session": "monday"},
        {"session": "monday"},
        {"session": "tuesday"},
    )
    assert groups(chain) == ["00", "01", "01", "01", "01", "05", "06"]
    joined = ["00", "01", "01", "01", "01", "01", "06"]
    assert groups(chain, keep_together=("session",)) == joined
    again = unite_groups(chain, SplitConfig(keep_together=("session",)))
    assert groups(again) == joined
    mixed = unite_groups(chain.where([5, 3, 1, 6, 4, 2, 0]), SplitConfig(keep_together=["session"]))
    assert dict(zip(mixed.frame["path"], mixed.frame["group"], strict=True)) == dict(
        zip(chain.frame["path"], joined, strict=True)
    )


def test_parts_and_folders_are_read_from_the_path() -> None:
    names = ["ok/P1_top.png", "ok/P1_side.png", "bad/P2_top.png", "bad/P1_again.png", "bad/x.png"]
    index = rows_of(*({"path": name} for name in names))
    assert part_ids(index, r"(P\d)_") == ["P1", "P1", "P2", "P1", None]
    assert groups(index, part_pattern=r"(P\d)_") == ["00", "00", "02", "00", "04"]
    assert groups(index, keep_together=("folder",)) == ["00", "00", "02", "02", "02"]
    assert [name for name, _ in named_keys(index, SplitConfig(part_pattern="(P)"))] == ["part"]


def test_quarantined_rows_join_nobody_and_keep_their_own_group() -> None:
    index = rows_of(
        {"session": "s"},
        {"session": "s", "quarantine": "x"},
        {"group": "g"},
        {"group": "g", "quarantine": "x"},
    )
    assert groups(index, keep_together=("session",)) == ["00", None, "02", "02"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"keep_together": ("camera",)}, "split.keep_together: no image has a camera"),
        ({"part_pattern": r"part(\d+)"}, "split.part_pattern: 'part"),
    ],
)
def test_a_source_that_says_nothing_is_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as caught:
        groups(rows_of({}, {}), **config)
    assert str(caught.value).startswith(said)


def test_one_camera_for_all_is_refused_with_the_key_that_joined_them() -> None:
    index = rows_of(*[{"camera": "c"}] * 9)
    with pytest.raises(DataError, match=r"has 1 independent group.*split\.keep_together"):
        place(index, SplitConfig(keep_together=("camera",)), seed=0)


@pytest.mark.parametrize(("pattern", "said"), [("[", "not a regular"), ("abc", "for the part")])
def test_the_part_pattern_is_checked_at_the_door(pattern: str, said: str) -> None:
    config = RunConfig.model_validate(
        {"name": "line", "data": {"kind": "synthetic"}, "split": {"part_pattern": pattern}}
    )
    (fault,) = contradictions(config)
    assert fault.startswith("split.part_pattern: ")
    assert said in fault


@pytest.mark.parametrize(
    ("path", "home"),
    [
        ("train/a/1.png", "train"),
        ("images/Train2017/1.png", "train"),
        ("set/valid/test/1.png", "val"),
        ("testing_set/1.png", "test"),
        ("test.png", None),
        ("tested/1.png", None),
        ("trained by hand/1.png", None),
    ],
)
def test_folders_tell_the_split(path: str, home: str | None) -> None:
    assert split_of(path) == home


def test_a_set_frozen_before_these_keys_existed_is_still_found() -> None:
    base: dict[str, Any] = {"name": "line", "data": {"kind": "synthetic"}, "seed": 3}
    config = RunConfig.model_validate(base)
    store = Store(Path("store"))
    found = test_set_path(store, config)
    assert found.name == "line-2d6f4d0b9f59.json"  # its name from then
    joined = RunConfig.model_validate({**base, "split": {"symmetries": True}})
    assert test_set_path(store, joined) != found


def test_runs_of_several_seeds_share_a_test_set_when_the_split_has_its_own() -> None:
    store, base = Store(Path("store")), {"name": "line", "data": {"kind": "folder", "root": "x"}}
    paths = {
        (seed, own): test_set_path(
            store, RunConfig.model_validate({**base, "seed": seed, "split": {"seed": own}})
        )
        for seed in (1, 2)
        for own in (None, 1)
    }
    assert paths[1, 1] == paths[2, 1] == paths[1, None] != paths[2, None]
    index = folders(train=40)
    placed = [
        place(index, SplitConfig(seed=own), seed=seed).frame["split"].tolist()
        for seed, own in ((1, None), (2, 1), (2, None))
    ]
    assert placed[0] == placed[1] != placed[2]


def folders(**many: int) -> ImageIndex:
    paths = [
        f"{home}/{label}/{n}.png" for home, k in many.items() for label in "ab" for n in range(k)
    ]
    return rows_of(*({"path": path, "label": path.split("/")[1]} for path in paths))


def test_the_split_of_the_data_is_kept_and_val_is_taken_from_train_by_groups() -> None:
    keep = SplitConfig(keep=True)
    whole = place(folders(train=8, valid=3, test=4, other=2), keep, seed=1).frame
    assert whole["split"].value_counts().to_dict() == {"train": 16, "test": 8, "val": 6}
    index = folders(train=20, test=4)
    index = index.with_columns(group=[f"g{row // 2}" for row in range(len(index))])
    frame = place(index, keep, seed=1).frame
    assert frame["split"].value_counts()["val"] == pytest.approx(8, abs=2)
    assert (frame.groupby("group")["split"].nunique() == 1).all()
    assert (frame.loc[frame["path"].str.startswith("test"), "split"] == "test").all()
    assert set(frame.loc[frame["split"] == "val", "label"]) == {"a", "b"}


def test_a_split_that_cannot_be_kept_is_refused_in_one_sentence() -> None:
    keep = SplitConfig(keep=True)
    with pytest.raises(DataError, match=r"puts an image in test: name the folders"):
        place(folders(train=4), keep, seed=1)
    with pytest.raises(DataError, match=r"split 'dev' is none of train, val, test"):
        own_split(folders(train=2, test=2).with_columns(split="dev"))
    index = folders(train=4, val=2, test=2)
    frozen = frozenset(index.frame.loc[index.frame["path"] == "train/a/0.png", "image_id"])
    with pytest.raises(DataError, match=r"outside test now, first 'train/a/0.png' in train"):
        place(index, keep, seed=1, frozen=frozen)
    lone = index.with_columns(label=["c" if "test/b" in p else "a" for p in index.frame["path"]])
    with pytest.raises(DataError, match=r"class 'c' has no image in train"):
        place(lone, keep, seed=1)
    with pytest.raises(DataError, match=r"too few to take val from"):
        place(folders(train=1, test=2).with_columns(group="one"), keep, seed=1)
