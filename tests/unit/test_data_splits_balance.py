"""Boxes, regions and masks in their shares, and nothing that is promised of images and groups given up for it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.config import SplitConfig
from inspection.data import splits
from inspection.data.index import ImageIndex
from inspection.data.splits import split

CONFIG = SplitConfig(test=0.25, val=0.15)
SHARES = {"test": 0.25, "val": 0.15, "train": 0.6}


def box(label: str) -> dict[str, Any]:
    return {"x0": 0.0, "y0": 0.0, "x1": 5.0, "y1": 5.0, "label": label}


def annotated(seed: int, groups: int, largest: int) -> ImageIndex:
    """Groups of 1 to `largest` images of three classes, with 0 to many boxes, regions and masks in each."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for group in range(groups):
        label = "abc"[min(2, group % 6)] if group < 30 else str(rng.choice(list("abc")))
        for _ in range(rng.integers(1, largest + 1)):
            drawn = [box(str(rng.choice(list("abcd"), p=[0.5, 0.3, 0.15, 0.05])))]
            rows.append(
                {
                    "image_id": f"{len(rows):05x}",
                    "path": f"{len(rows)}.png",
                    "group": f"g{group}",
                    "label": label,
                    "boxes": drawn * int(rng.geometric(0.3) - 1),
                    "regions": [{"label": label, "counts": [4, 4]}] * int(rng.integers(0, 3)),
                    "mask_path": "mask.png" if rng.random() < 0.3 else None,
                }
            )
    return ImageIndex.from_rows(Path("root"), rows)


def worst(index: ImageIndex) -> float:
    """How far the worst-served thing is from its share, over the three splits."""
    held: dict[str, Counter[str]] = {name: Counter() for name in SHARES}
    frame = index.frame
    for home, label, *drawn in zip(
        frame["split"],
        frame["label"],
        frame["boxes"],
        frame["regions"],
        frame["mask_path"],
        strict=True,
    ):
        held[home].update(f"box {each['label']}" for each in drawn[0])
        held[home].update(f"region {each['label']}" for each in drawn[1])
        held[home].update([f"mask {label}"] if drawn[2] is not None or len(drawn[1]) else [])
    total: Counter[str] = sum(held.values(), Counter())
    return max(
        abs(held[home][thing] / count - share)
        for thing, count in total.items()
        for home, share in SHARES.items()
    )


@pytest.mark.parametrize("largest", [1, 5])
@pytest.mark.parametrize("seed", range(4))
def test_boxes_regions_and_masks_are_in_their_shares(
    seed: int, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = annotated(seed, 400, largest)
    found = worst(split(index, CONFIG, seed=seed))
    monkeypatch.setattr(splits, "balanced", lambda *sides: sides[:2])
    assert found <= 0.03
    assert found < 0.5 * worst(split(index, CONFIG, seed=seed))


@given(st.integers(0, 10**6), st.integers(20, 60), st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_what_is_promised_of_images_and_groups_is_kept(
    data: int, groups: int, largest: int, seed: int
) -> None:
    """The exchange moves no class's share, tears no group, and never makes things worse."""
    index = annotated(data, groups, largest)
    bare = index.with_columns(
        boxes=[[] for _ in range(len(index))],
        regions=[[] for _ in range(len(index))],
        mask_path=None,
    )
    frame, plain = (split(each, CONFIG, seed=seed).frame for each in (index, bare))
    first = frame.loc[frame["split"] == "test", "label"].value_counts().sort_index()
    second = plain.loc[plain["split"] == "test", "label"].value_counts().sort_index()
    assert first.to_dict() == second.to_dict()
    assert (frame.groupby("group")["split"].nunique() == 1).all()
    assert (frame.groupby("label")["split"].nunique() == 3).all()


@given(st.integers(0, 10**6), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_annotated_images_split_alike_in_any_order_and_with_their_test_set_frozen(
    data: int, seed: int
) -> None:
    index = annotated(data, 40, 3)
    order = np.random.default_rng(data).permutation(len(index))
    first, mixed = (split(each, CONFIG, seed=seed) for each in (index, index.where(order)))
    assert first.digest() == mixed.digest()
    frozen = frozenset(first.split("test").frame["image_id"])
    assert split(index, CONFIG, seed=seed, frozen=frozen).digest() == first.digest()


def test_the_seed_still_decides_which_groups() -> None:
    index = annotated(1, 100, 1)
    tests = [set(split(index, CONFIG, seed=seed).split("test").frame["path"]) for seed in range(9)]
    drawn = Counter(path for each in tests for path in each)
    assert max(drawn.values()) < 9
    assert len(drawn) > 0.7 * len(index)
