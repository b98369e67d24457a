"""Images that a config names as unlabelled: nobody has said what they show, which is not the same as no defect.

Covered: a folder or a pattern below the root, in every layout; what is drawn on such an image, and a label that a table
gives it, are kept: somebody has looked at that one. Not covered: images outside the root.
"""

from __future__ import annotations

import dataclasses
from fnmatch import fnmatchcase
from pathlib import Path

from inspection.config import DataConfig
from inspection.data.readers.base import RawItem
from inspection.data.readers.files import images_below, leads_out, path_fault, relative
from inspection.data.readers.stated import shown
from inspection.data.unlabelled import UNLABELLED
from inspection.errors import DataError

WILD = "*?["
NOT_SAID = frozenset({"annotation_missing", "label_unmatched", "mask_missing"})
"""Faults of an image for which nobody has said anything: here that is no fault."""
NO_LABEL = "label_missing:"


def named_unlabelled(name: str, config: DataConfig) -> bool:
    """Whether `data.unlabelled` names the file at this place below the root; `*` in it crosses folders too."""
    wanted = config.unlabelled
    if wanted is None:
        return False
    if any(letter in wanted for letter in WILD):
        return fnmatchcase(name, wanted)
    return name == wanted or name.startswith(f"{wanted.rstrip('/')}/")


def with_unlabelled(items: list[RawItem], root: Path, config: DataConfig) -> list[RawItem]:
    """The reader's items with those that `data.unlabelled` names made unlabelled, and added where no item was.

    DataError when it leads out of the root or names no image that is without a label.
    """
    if config.unlabelled is None:
        return items
    if leads_out(config.unlabelled):
        raise DataError(
            f"data.unlabelled: {shown(config.unlabelled)} is no place below data.root: give a folder or pattern in it"
        )
    listed = {item.path for item in items} | {item.mask_path for item in items}
    found = [_left_open(item, root) if _is_open(item, config) else item for item in items]
    found += [
        RawItem(path=name, label_source=UNLABELLED, fault=path_fault(path, root))
        for path in images_below(root)
        if (name := relative(path, root)) not in listed and named_unlabelled(name, config)
    ]
    if not any(item.label_source == UNLABELLED for item in found):
        raise DataError(
            f"data.unlabelled: {shown(config.unlabelled)} names no image without a label below data.root: "
            "mend the folder or pattern, or leave it out"
        )
    return sorted(found, key=lambda item: item.path)


def _is_open(item: RawItem, config: DataConfig) -> bool:
    """Named, and nobody has drawn on it or written its label down."""
    said = item.boxes or item.shapes or item.mask_path or item.label_source == "manifest"
    unread = item.fault is not None and item.fault[0] not in NOT_SAID
    return named_unlabelled(item.path, config) and not said and not unread


def _left_open(item: RawItem, root: Path) -> RawItem:
    """The item without what its folder, its name or the lack of an annotation would say of its label."""
    return dataclasses.replace(
        item,
        label=None,
        label_source=UNLABELLED,
        fault=path_fault(root / item.path, root),
        warnings=tuple(said for said in item.warnings if not said.startswith(NO_LABEL)),
    )
