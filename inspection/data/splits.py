"""Train, validation and test: whole groups only, each class in its share, the frozen test set untouched.

Covered: boxes, regions and masks of each class are spread as their images are, by exchanging groups that hold equally
many images of each class; no group is ever in two splits; images frozen into the test set stay there, with their
groups, and nothing joins them but a class they lack; the same images give the same split in any order of rows, and
splitting again with the test set that came out changes nothing. Not covered: how the groups were found
(`data_checks/duplicates.py`, `inspection/data/grouping.py`); a class spread over groups so entangled with other classes
that whole groups cannot serve them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import pandas as pd

from inspection.config import SplitConfig
from inspection.data.balance import balanced
from inspection.data.index import ImageIndex
from inspection.data.split_groups import Group, Side, groups_of
from inspection.errors import DataError

MIN_TRAIN_GROUPS = 2
"""With fewer, nothing in training can be held out to choose a model by."""
MIN_GROUPS = 3
"""A class with fewer independent groups cannot be in all three splits."""


def split(
    index: ImageIndex,
    config: SplitConfig,
    *,
    seed: int,
    frozen: frozenset[str] = frozenset(),
) -> ImageIndex:
    """A copy with the `split` column filled for usable, labelled rows; null elsewhere.

    Groups come from the `group` column (an image without one is its own group). DataError when a class has fewer than
    three groups, when the shares leave nothing to train on, or when the frozen set holds all images of a class.
    """
    _check_shares(config)
    frame = index.frame
    member = frame["group"].where(frame["group"].notna(), frame["image_id"])
    eligible = frame["quarantine"].isna() & frame["label"].notna()
    groups = groups_of(frame[eligible], member[eligible], seed)
    _check_enough(groups)
    names = set(member[frame["image_id"].isin(list(frozen))])
    held = [group for group in groups if group.name in names]
    test, rest = _divide(groups, config.test, held=held, full=bool(held), keep=2)
    _check_left(groups, rest)
    val, train = _divide(rest, config.val / (1 - config.test), keep=1)
    if len(train) < MIN_TRAIN_GROUPS:
        raise DataError(
            f"all images left for training are near-copies of one another ({len(train)} independent group): "
            "add images of other parts"
        )
    parts = (("test", test), ("val", val), ("train", train))
    home = {group.name: name for name, part in parts for group in part}
    placed = [home[name] if ok else None for name, ok in zip(member, eligible, strict=True)]
    return index.with_columns(split=pd.Series(placed, dtype=object))


def val_from(index: ImageIndex, config: SplitConfig, *, seed: int) -> ImageIndex:
    """A copy in which whole groups of train have become val, in the share that val has of what is not test."""
    _check_shares(config)
    frame = index.frame
    member = frame["group"].where(frame["group"].notna(), frame["image_id"])
    trained = (frame["split"] == "train") & frame["quarantine"].isna() & frame["label"].notna()
    groups = groups_of(frame[trained], member[trained], seed)
    val, _ = _divide(groups, config.val / (1 - config.test), keep=1)
    if not val or len(groups) - len(val) < MIN_TRAIN_GROUPS:
        raise DataError(
            f"train has {len(groups)} independent group(s), too few to take val from: add images of other parts"
        )
    moved = trained & member.isin([group.name for group in val])
    return index.with_columns(split=frame["split"].mask(moved, "val"))


def _check_shares(config: SplitConfig) -> None:
    if config.test + config.val >= 0.95:
        raise DataError(
            f"split: test {config.test:g} and val {config.val:g} leave nothing to train on: "
            "keep their sum below 0.95"
        )


def _check_enough(groups: Sequence[Group]) -> None:
    if not groups:
        raise DataError("no labelled images are left to split: see the quarantine list")
    for label, count in sorted(_holders(groups).items()):
        if count < MIN_GROUPS:
            raise DataError(
                f"class '{label}' has {count} independent group(s), train, val and test need "
                f"{MIN_GROUPS}: add images of other parts, or leave the class out; if these are different parts that "
                "only look alike, as in a fixture, set split.group_near_copies=false and split.max_leak_rate=1; "
                "if split.keep_together or split.part_pattern joined them, name something smaller"
            )


def _check_left(groups: Sequence[Group], rest: Sequence[Group]) -> None:
    """What the test set does not hold must still show every class."""
    left = _holders(rest)
    for label in sorted(_holders(groups)):
        if not left[label]:
            raise DataError(
                f"class '{label}' has no images outside the frozen test set: add images of other "
                "parts, or change 'seed' for a new test set"
            )


def _holders(groups: Collection[Group]) -> Counter[str]:
    """Groups that hold each label."""
    return Counter(label for group in groups for label in group.counts)


def _divide(
    groups: Sequence[Group],
    share: float,
    *,
    held: Sequence[Group] = (),
    full: bool = False,
    keep: int,
) -> tuple[list[Group], list[Group]]:
    """Groups for a part of `share`, stratified by label, and the rest, which keeps `keep` groups of each label.

    `held` are in the part from the start; when it is `full`, only a label that it lacks brings another group in.
    """
    part, rest = Side(), Side()
    for group in held:
        part.add(group)
    total: Counter[str] = sum((group.counts for group in groups), Counter())
    for group in _by_need(groups, total):
        if group.name in part.groups:
            continue
        label = _rarest(group, total)
        lack = share * total[label] - part.images[label]
        rest_lack = (1 - share) * total[label] - rest.images[label]
        (part if lack > rest_lack and not full else rest).add(group)
    fixed = {group.name for group in held}
    for label in sorted(total, key=lambda name: (total[name], name)):
        _supply(part, rest, label, 1, leave=keep, fixed=fixed)
        _supply(rest, part, label, keep, leave=1, fixed=fixed)
    chosen, left = list(part.groups.values()), list(rest.groups.values())
    return (chosen, left) if held else balanced(chosen, left, share)


def _by_need(groups: Sequence[Group], total: Counter[str]) -> list[Group]:
    """Groups of the rarest class first, and there the big ones: small ones even out what big ones upset."""

    def need(group: Group) -> tuple[int, str, int, str, str]:
        label = _rarest(group, total)
        return total[label], label, -group.counts[label], group.key, group.name

    return sorted(groups, key=need)


def _rarest(group: Group, total: Counter[str]) -> str:
    """The label for whose sake a group is placed."""
    return min(group.counts, key=lambda name: (total[name], name))


def _supply(
    poor: Side, rich: Side, label: str, wanted: int, *, leave: int, fixed: Collection[str]
) -> None:
    """Move the smallest groups with `label` over until `poor` has `wanted` of them; no label of `rich` may run out."""
    while poor.holders[label] < wanted:
        movable = [
            group
            for group in rich.groups.values()
            if label in group.counts
            and group.name not in fixed
            and all(rich.holders[name] > leave for name in group.counts)
        ]
        if not movable:
            return
        group = min(movable, key=lambda group: (group.size, group.key, group.name))
        rich.remove(group)
        poor.add(group)
