"""Whole groups only, every class everywhere, frozen images stay, whatever the order of the rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.config import SplitConfig
from inspection.data.index import SPLITS, ImageIndex
from inspection.data.splits import split
from inspection.data.test_set import TestSet, freeze
from inspection.errors import DataError

CONFIG = SplitConfig(test=0.25, val=0.15)


def index_of(groups: list[tuple[str, str]]) -> ImageIndex:
    """One image per (group, label)."""
    return ImageIndex.from_rows(
        Path("root"),
        [
            {"image_id": f"{i:05x}", "path": f"{i}.png", "group": group, "label": label}
            for i, (group, label) in enumerate(groups)
        ],
    )


@st.composite
def data_sets(draw: st.DrawFn) -> ImageIndex:
    """Two to four classes with 3 to 40 groups each, groups of 1 to 5 images, a few shared by two classes."""
    found: list[tuple[str, str]] = []
    for label in "abcd"[: draw(st.integers(2, 4))]:
        for number in range(draw(st.integers(3, 40))):
            found += [(f"{label}{number}", label)] * draw(st.integers(1, 5))
    if draw(st.booleans()):
        found.append(("a0", "b"))
    return index_of(found)


@given(data_sets(), st.integers(0, 5))
def test_split__no_group_is_torn_and_no_class_is_missing(index: ImageIndex, seed: int) -> None:
    frame = split(index, CONFIG, seed=seed).frame
    assert frame["split"].isin(SPLITS).all()
    assert (frame.groupby("group")["split"].nunique() == 1).all()
    seen = frame.groupby("split")["label"].agg(set)
    for name in SPLITS:
        assert seen[name] == set(index.classes)


@given(data_sets(), st.randoms(use_true_random=False))
def test_split__order_of_rows_does_not_matter(index: ImageIndex, random: object) -> None:
    order = list(range(len(index)))
    random.shuffle(order)  # type: ignore[attr-defined]
    mixed = ImageIndex(index.root, index.frame.iloc[order].reset_index(drop=True))
    one = split(index, CONFIG, seed=3).frame.set_index("path")["split"]
    two = split(mixed, CONFIG, seed=3).frame.set_index("path")["split"]
    assert (one.sort_index() == two.sort_index()).all()


@given(data_sets(), st.integers(0, 100))
def test_split__frozen_images_stay_in_test_with_their_groups(index: ImageIndex, pick: int) -> None:
    chosen = index.frame.iloc[[pick % len(index)]]
    frozen = frozenset(chosen["image_id"])
    frame = split(index, CONFIG, seed=0, frozen=frozen).frame
    group = chosen["group"].iloc[0]
    assert set(frame.loc[frame["group"] == group, "split"]) == {"test"}


def test_split__meets_its_shares() -> None:
    index = index_of([(f"{label}{i}", label) for label in "abc" for i in range(200)])
    counts = split(index, CONFIG, seed=1).frame.groupby(["label", "split"]).size()
    for label in "abc":
        assert counts[label, "test"] == pytest.approx(50, abs=2)
        assert counts[label, "val"] == pytest.approx(30, abs=2)


def test_split__seed_changes_the_split() -> None:
    index = index_of([(f"{label}{i}", label) for label in "ab" for i in range(50)])
    one, two = (split(index, CONFIG, seed=seed).frame["split"] for seed in (1, 2))
    assert (one != two).any()


def test_split__growing_set_keeps_its_test_images() -> None:
    small = index_of([(f"{label}{i}", label) for label in "ab" for i in range(40)])
    frozen = freeze(split(small, CONFIG, seed=1), name="line")
    more = [(f"{label}{i}", label) for label in "ab" for i in range(40)]
    more += [(f"{label}new{i}", label) for label in "ab" for i in range(60)]
    # A new photograph of a part that was in training, joined to a frozen one, must leave training.
    grown = split(index_of(more), CONFIG, seed=1, frozen=frozenset(frozen.image_ids))
    now = set(grown.split("test").frame["image_id"])
    assert set(frozen.image_ids) <= now


def test_split__quarantined_and_unlabelled_rows_get_none() -> None:
    index = index_of([(f"{label}{i}", label) for label in "ab" for i in range(5)])
    index = index.with_columns(quarantine=["empty", *[None] * 9])
    frame = split(index, CONFIG, seed=0).frame
    assert frame["split"].isna().tolist() == [True, *[False] * 9]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([], "no labelled images"),
        (
            [("g", "a"), ("g", "a"), ("h", "a"), ("x", "b"), ("y", "b"), ("z", "b")],
            "class 'a' has 2",
        ),
        ([("only", "a")] * 50 + [(f"b{i}", "b") for i in range(9)], "class 'a' has 1"),
    ],
    ids=["nothing", "two groups", "one part photographed 50 times"],
)
def test_split__too_few_independent_groups(groups: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(index_of(groups), CONFIG, seed=0)


def test_test_set__digest_is_its_content(tmp_path: Path) -> None:
    index = split(index_of([(f"{x}{i}", x) for x in "ab" for i in range(9)]), CONFIG, seed=0)
    frozen = freeze(index, name="line")
    frozen.save(tmp_path / "set.json")
    assert TestSet.load(tmp_path / "set.json") == frozen
    relabelled = index.with_columns(label=["b" if x == "a" else "a" for x in index.frame["label"]])
    assert freeze(relabelled, name="line").digest != frozen.digest
    assert freeze(relabelled, name="line").image_ids == frozen.image_ids
    with pytest.raises(DataError, match="no test images"):
        freeze(index.with_columns(split="train"), name="line")
