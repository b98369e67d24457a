"""Groups of images that a split moves as one: what each holds, and what one side of a division holds.

Covered: a group's place in any order is decided by seed and content, never by the order of rows. Not covered: how the
groups were found (`inspection/data/grouping.py`, `data_checks/duplicates.py`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from inspection.data.index import plain

Thing = tuple[str, str]
"""What is annotated in an image: `box`, `region` or `mask`, and its class."""


@dataclass(frozen=True)
class Group:
    """Images that must stay together: how many of each label, and of each thing annotated in them.

    `key`: decided by content and seed alone.
    """

    name: str
    key: str
    counts: Counter[str]
    things: Counter[Thing] = field(default_factory=Counter)

    @property
    def size(self) -> int:
        """Images in the group."""
        return self.counts.total()


class Side:
    """One half of a division: its groups, its images per label and its groups per label."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.images: Counter[str] = Counter()
        self.holders: Counter[str] = Counter()

    def add(self, group: Group) -> None:
        """Take a group in."""
        self.groups[group.name] = group
        self.images.update(group.counts)
        self.holders.update(group.counts.keys())

    def remove(self, group: Group) -> None:
        """Let a group go."""
        del self.groups[group.name]
        self.images.subtract(group.counts)
        self.holders.subtract(group.counts.keys())


def groups_of(frame: pd.DataFrame, member: pd.Series[str], seed: int) -> list[Group]:
    """One per distinct member, keyed by the smallest of its image ids."""
    counts: dict[str, Counter[str]] = {}
    things: dict[str, Counter[Thing]] = {}
    first: dict[str, str] = {}
    columns = (frame[name] for name in ("image_id", "label", "boxes", "regions", "mask_path"))
    for name, image, label, *drawn in zip(member, *columns, strict=True):
        counts.setdefault(name, Counter())[label] += 1
        things.setdefault(name, Counter()).update(_things(label, *drawn))
        first[name] = min(first.get(name, image), image)
    keys = {
        name: hashlib.sha256(f"{seed}:{image}".encode()).hexdigest()
        for name, image in first.items()
    }
    return [Group(name, keys[name], counts[name], things[name]) for name in counts]


def _things(label: str, boxes: Any, regions: Any, mask_path: Any) -> Iterator[Thing]:
    yield from (("box", str(box["label"])) for box in boxes)
    yield from (("region", str(region["label"])) for region in regions)
    if len(regions) or plain(mask_path) is not None:
        yield "mask", label
