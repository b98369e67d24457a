"""Whole groups only, every class everywhere, frozen images stay, whatever the order of the rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.config import RunConfig, SplitConfig
from inspection.data.index import SPLITS, ImageIndex
from inspection.data.splits import split
from inspection.data.test_set import TestSet, freeze, frozen_ids, test_set_path
from inspection.errors import DataError
from inspection.store import Store

pytestmark = pytest.mark.thorough

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


@given(data_sets(), st.integers(0, 5))
def test_split__shares_are_met_up_to_one_group(index: ImageIndex, seed: int) -> None:
    """No class misses its share by more than its largest group, and one for those moved to serve another split."""
    frame = split(index, CONFIG, seed=seed).frame
    for _, rows in frame.groupby("label"):
        largest = (
            index.frame["group"]
            .isin(rows["group"])
            .pipe(lambda mine: index.frame[mine].groupby("group").size().max())
        )
        for name, share in (("test", CONFIG.test), ("val", CONFIG.val)):
            found = (rows["split"] == name).sum()
            assert abs(found - share * len(rows)) <= 2 * largest + 1


@given(data_sets(), st.integers(0, 5), st.integers(6, 9))
def test_split__again_with_its_own_test_set_changes_nothing(
    index: ImageIndex, seed: int, other: int
) -> None:
    """The second run of an unchanged set finds the first run's test set frozen."""
    first = split(index, CONFIG, seed=seed)
    frozen = frozenset(first.split("test").frame["image_id"])
    again = split(index, CONFIG, seed=seed, frozen=frozen)
    assert again.digest() == first.digest()
    # Whatever else changes, the test set is the frozen one and nothing more.
    moved = split(index, SplitConfig(test=0.5, val=0.2), seed=other, frozen=frozen)
    assert frozenset(moved.split("test").frame["image_id"]) == frozen


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
    first = [(f"{label}{i}", label) for label in "ab" for i in range(40)]
    frozen = freeze(split(index_of(first), CONFIG, seed=1), name="line")
    more = [(f"{label}new{i}", label) for label in "ab" for i in range(60)]
    grown = split(index_of(first + more), CONFIG, seed=1, frozen=frozenset(frozen.image_ids))
    now = grown.split("test").frame
    assert set(now["image_id"]) == set(frozen.image_ids)
    assert freeze(grown, name="line") == frozen
    assert (grown.frame.groupby("label")["split"].value_counts()[:, "val"] >= 12).all()


def test_split__new_photograph_of_a_frozen_part_joins_it() -> None:
    first = [(f"{label}{i}", label) for label in "ab" for i in range(12)]
    placed = split(index_of(first), CONFIG, seed=1)
    frozen = frozenset(freeze(placed, name="line").image_ids)
    tested = placed.split("test").frame["group"].iloc[0]
    grown = split(index_of([*first, (tested, tested[0])]), CONFIG, seed=1, frozen=frozen)
    assert grown.frame["split"].iloc[-1] == "test"


def test_split__mates_of_a_frozen_image_stay_when_it_is_quarantined() -> None:
    """The frozen image may be broken now; what shows the same part must still not be trained on."""
    index = index_of(
        [("pair", "a"), ("pair", "a"), *[(f"{x}{i}", x) for x in "ab" for i in range(9)]]
    )
    broken = index.with_columns(quarantine=["truncated", *[None] * (len(index) - 1)])
    for seed in range(8):
        frozen = frozenset([str(index.frame["image_id"].iloc[0])])
        placed = split(broken, CONFIG, seed=seed, frozen=frozen).frame["split"]
        assert placed.isna().iloc[0]
        assert placed.iloc[1] == "test"


def test_split__class_that_came_after_the_freeze_gets_a_test_group() -> None:
    first = [(f"{label}{i}", label) for label in "ab" for i in range(12)]
    frozen = freeze(split(index_of(first), CONFIG, seed=1), name="line")
    later = index_of(first + [(f"c{i}", "c") for i in range(12)])
    grown = split(later, CONFIG, seed=1, frozen=frozenset(frozen.image_ids))
    assert set(frozen.image_ids) < set(grown.split("test").frame["image_id"])
    for name in SPLITS:
        assert grown.split(name).classes == ("a", "b", "c")


def test_split__frozen_set_that_holds_a_whole_class() -> None:
    index = index_of([(f"{label}{i}", label) for label in "ab" for i in range(5)])
    frozen = frozenset(index.frame.loc[index.frame["label"] == "a", "image_id"])
    with pytest.raises(DataError, match="class 'a' has no images outside the frozen test set"):
        split(index, CONFIG, seed=0, frozen=frozen)


def test_split__shares_that_leave_nothing() -> None:
    index = index_of([(f"{label}{i}", label) for label in "ab" for i in range(5)])
    with pytest.raises(DataError, match=r"test 0.6 and val 0.4 leave nothing"):
        split(index, SplitConfig(test=0.6, val=0.4), seed=0)


def test_split__images_without_a_group_stand_alone_and_byte_copies_together() -> None:
    rows = [
        {"image_id": image, "path": f"{number}.png", "label": "a"}
        for number, image in enumerate([*"pqrstuvw", *"pqrstuvw"])
    ]
    frame = split(ImageIndex.from_rows(Path("r"), rows), CONFIG, seed=0).frame
    assert (frame.groupby("image_id")["split"].nunique() == 1).all()
    assert frame["split"].nunique() == 3


def test_split__of_many_groups_takes_no_longer_than_reading_them() -> None:
    """20,000 groups with one starved class: quadratic code would need minutes."""
    groups = [(f"a{i}", "a") for i in range(20_000)] + [(f"b{i}", "b") for i in range(3)]
    frame = split(index_of(groups), CONFIG, seed=0).frame
    assert frame.loc[frame["label"] == "b", "split"].nunique() == 3


@given(st.data())
def test_split__entangled_classes_never_tear_a_group(data: st.DataObject) -> None:
    """Groups of several classes at random: some split may lack a class, no group may be torn, nothing may be lost."""
    labels = st.sets(st.sampled_from("abcd"), min_size=1, max_size=3)
    groups = data.draw(st.lists(labels, min_size=12, max_size=40))
    pairs = [(f"g{number}", label) for number, held in enumerate(groups) for label in sorted(held)]
    pairs += [(f"{label}{i}", label) for label in "abcd" for i in range(3)]
    frame = split(index_of(pairs), CONFIG, seed=0).frame
    assert (frame.groupby("group")["split"].nunique() == 1).all()
    assert frame["split"].notna().all()
    # Three groups of its own are enough for any class, however the others are entangled.
    assert (frame.groupby("label")["split"].nunique() == 3).all()


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


def test_test_set__what_was_frozen_is_found_again(tmp_path: Path) -> None:
    index = split(index_of([(f"{x}{i}", x) for x in "ab" for i in range(9)]), CONFIG, seed=0)
    path = tmp_path / "sets" / "set.json"
    assert frozen_ids(path) == frozenset()
    frozen = freeze(index, name="line")
    frozen.save(path)
    assert frozen_ids(path) == frozenset(index.split("test").frame["image_id"])


@pytest.mark.parametrize("content", [b"", b"{}", b'{"name": "line", "digest": 3}', b"\xff"])
def test_test_set__damaged_file_is_never_taken_for_an_empty_set(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "set.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"restore it, or delete it"):
        frozen_ids(path)


def test_test_set__other_data_splits_and_seeds_are_other_sets() -> None:
    base = {"name": "line", "data": {"kind": "folder", "root": "a"}}
    runs = [
        base,
        {**base, "seed": 8},
        {**base, "split": {"test": 0.3}},
        {**base, "data": {"kind": "folder", "root": "b"}},
    ]
    store = Store(Path("store"))
    paths = [test_set_path(store, RunConfig.model_validate(run)) for run in runs]
    assert len(set(paths)) == len(runs)
    student = RunConfig.model_validate({**base, "student": {"epochs": 3}})
    assert test_set_path(store, student) == paths[0]
    assert all(path.parent == store.test_sets for path in paths)
