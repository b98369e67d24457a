"""Train, validation and test: whole groups only, each class in its share, the frozen test set first.

Covered: no group is ever in two splits; images frozen into the test set stay there, with their groups. The same images
give the same split in any order of rows. Not covered: how the groups were found (`data_checks/duplicates.py`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from inspection.config import SplitConfig
from inspection.data.index import SPLITS, ImageIndex
from inspection.errors import DataError

MIN_GROUPS = 3
"""A class with fewer independent groups cannot be in all three splits."""


@dataclass(frozen=True)
class Group:
    """Images that must stay together: their count per label, and a key that depends on their content alone."""

    name: str
    key: str
    counts: Counter[str]

    @property
    def size(self) -> int:
        """Images in the group."""
        return self.counts.total()


def split(
    index: ImageIndex,
    config: SplitConfig,
    *,
    seed: int,
    frozen: frozenset[str] = frozenset(),
) -> ImageIndex:
    """A copy with the `split` column filled for usable, labelled rows; null elsewhere.

    Groups come from the `group` column (an image without one is its own group). DataError when a class has fewer than
    three groups.
    """
    frame = index.frame
    member = frame["group"].where(frame["group"].notna(), frame["image_id"])
    eligible = frame["quarantine"].isna() & frame["label"].notna()
    groups = _groups(frame[eligible], member[eligible], seed)
    _check_enough(groups)
    test = set(member[eligible & frame["image_id"].isin(frozen)])
    assigned = _assign(groups, config, test)
    placed = [assigned.get(name) if ok else None for name, ok in zip(member, eligible, strict=True)]
    return index.with_columns(split=pd.Series(placed, dtype=object))


def _groups(frame: pd.DataFrame, member: pd.Series[str], seed: int) -> list[Group]:
    """Groups in an order that only content and seed decide."""
    found = []
    for name, rows in frame.groupby(member, sort=False):
        content = f"{seed}:{min(rows['image_id'])}".encode()
        key = hashlib.sha256(content).hexdigest()
        found.append(Group(str(name), key, Counter(rows["label"])))
    return sorted(found, key=lambda group: (group.key, group.name))


def _check_enough(groups: list[Group]) -> None:
    if not groups:
        raise DataError("no labelled images are left to split: see the quarantine list")
    holders = Counter(label for group in groups for label in group.counts)
    for label, count in sorted(holders.items()):
        if count < MIN_GROUPS:
            raise DataError(
                f"class '{label}' has {count} independent group(s), train, val and test need "
                f"{MIN_GROUPS}: add images of other parts, or leave the class out"
            )


def _assign(groups: list[Group], config: SplitConfig, test: set[str]) -> dict[str, str]:
    """Rarest class first, each group to the split that lacks most of its class; big groups before small ones."""
    total: Counter[str] = sum((group.counts for group in groups), Counter())
    share = {"test": config.test, "val": config.val, "train": 1 - config.test - config.val}
    have: dict[str, Counter[str]] = {name: Counter() for name in SPLITS}
    assigned: dict[str, str] = {}

    def place(group: Group, where: str) -> None:
        assigned[group.name] = where
        have[where].update(group.counts)

    for group in groups:
        if group.name in test:
            place(group, "test")
    for label in sorted(total, key=lambda name: (total[name], name)):
        mine = [g for g in groups if g.name not in assigned and _main(g, total) == label]
        for group in sorted(mine, key=lambda g: -g.counts[label]):
            place(group, _neediest(label, share, have, total))
    _fill_empty(groups, assigned, have, test)
    return assigned


def _main(group: Group, total: Counter[str]) -> str:
    """The rarest label of a group: it is placed for that class's sake."""
    return min(group.counts, key=lambda name: (total[name], name))


def _neediest(
    label: str, share: dict[str, float], have: dict[str, Counter[str]], total: Counter[str]
) -> str:
    """The split furthest below its share of the class, in images; train before test before val when equal."""
    order = ("train", "test", "val")
    return max(
        order, key=lambda name: (share[name] * total[label] - have[name][label], -order.index(name))
    )


def _fill_empty(
    groups: list[Group], assigned: dict[str, str], have: dict[str, Counter[str]], test: set[str]
) -> None:
    """Every class in every split: where one is missing, its smallest movable group comes from the best supplied."""
    for label in sorted({label for group in groups for label in group.counts}):
        for where in SPLITS:
            if have[where][label]:
                continue
            donors = sorted(
                (
                    g
                    for g in groups
                    if label in g.counts and _movable(g, assigned, groups, label, test)
                ),
                key=lambda g: (g.size, g.key),
            )
            if donors:
                have[assigned[donors[0].name]].subtract(donors[0].counts)
                have[where].update(donors[0].counts)
                assigned[donors[0].name] = where


def _movable(
    group: Group, assigned: dict[str, str], groups: list[Group], label: str, test: set[str]
) -> bool:
    """Not frozen, and not the last of its class where it is."""
    home = assigned[group.name]
    mates = [g for g in groups if assigned[g.name] == home and label in g.counts]
    return group.name not in test and len(mates) > 1
