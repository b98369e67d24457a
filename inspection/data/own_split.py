"""The split of a run: a new one by whole groups, or the one that the data came with, when it is to be kept.

Covered: a split told by the `split` column or by folders such as `train/`, `valid/`, `test2017/`; a validation set
taken from train, by whole groups, where the data have none; images of the frozen test set that wandered to another part
are refused; unlabelled images join train, where that shows it nothing of val or test. Not covered: whether the split
that came with the data leaks (`data_checks/split_audit.py`); images outside any part, which have none and are not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import pandas as pd

from inspection.config import SplitConfig
from inspection.data.grouping import unite_groups
from inspection.data.index import SPLITS, ImageIndex
from inspection.data.splits import split, val_from
from inspection.data.unlabelled import is_unlabelled, labelled_part, with_unlabelled_in_train
from inspection.errors import DataError

FOLDERS = (
    ("train", re.compile(r"^train(ing)?[-_]?(set|data|\d{4})?$", re.IGNORECASE)),
    ("val", re.compile(r"^(val|valid|validation|dev)[-_]?(set|data|\d{4})?$", re.IGNORECASE)),
    ("test", re.compile(r"^test(ing)?[-_]?(set|data|\d{4})?$", re.IGNORECASE)),
)
"""Names of folders that tell a split."""


def place(
    index: ImageIndex, config: SplitConfig, *, seed: int, frozen: frozenset[str] = frozenset()
) -> ImageIndex:
    """A copy with `group` and `split` filled, as `config` wants it; DataError when that cannot be had."""
    united = unite_groups(index, config)
    seed = seed if config.seed is None else config.seed
    placed = (_kept if config.keep else split)(united, config, seed=seed, frozen=frozen)
    return with_unlabelled_in_train(placed, frozen=frozen)


def _kept(
    index: ImageIndex, config: SplitConfig, *, seed: int, frozen: frozenset[str]
) -> ImageIndex:
    kept = own_split(index)
    if "val" not in set(labelled_part(kept).frame["split"].dropna()):
        kept = val_from(kept, config, seed=seed)
    _check_kept(labelled_part(kept), frozen)
    return kept


def own_split(index: ImageIndex) -> ImageIndex:
    """A copy whose `split` column says what the data say: the column itself, else the first folder that tells.

    Rows in quarantine, without a label unless they are meant to have none, or told by neither, have no split. DataError
    when train or test is empty.
    """
    frame = index.frame
    usable = frame["quarantine"].isna() & (frame["label"].notna() | is_unlabelled(frame))
    told = [
        (given if isinstance(given, str) else split_of(path)) if ok else None
        for given, path, ok in zip(frame["split"], frame["path"], usable, strict=True)
    ]
    check_names(told)
    taught = {name for name, label in zip(told, frame["label"], strict=True) if pd.notna(label)}
    for name in ("train", "test"):
        if name not in taught:
            raise DataError(
                f"split.keep: neither the split column nor a folder puts an image in {name}: "
                "name the folders train, val and test, or set split.keep=false for a new split"
            )
    return index.with_columns(split=pd.Series(told, dtype=object))


def check_names(told: Iterable[object]) -> None:
    """DataError for a split that is none of ours."""
    if unknown := sorted({name for name in told if isinstance(name, str)} - set(SPLITS)):
        raise DataError(f"split '{unknown[0]}' is none of {', '.join(SPLITS)}: rename it")


def split_of(path: str) -> str | None:
    """The part that the first telling folder of a path names."""
    for folder in PurePosixPath(path).parts[:-1]:
        for name, rule in FOLDERS:
            if rule.match(folder):
                return name
    return None


def _check_kept(index: ImageIndex, frozen: frozenset[str]) -> None:
    frame = index.frame
    trained = set(index.split("train").frame["label"])
    if missing := sorted(set(frame.loc[frame["split"].notna(), "label"]) - trained):
        raise DataError(
            f"split.keep: class '{missing[0]}' has no image in train: add some, or set split.keep=false"
        )
    astray = frame["image_id"].isin(list(frozen)) & frame["split"].isin(["train", "val"])
    if astray.any():
        first = frame.loc[astray].sort_values("path").iloc[0]
        raise DataError(
            f"split.keep: {int(astray.sum())} images of the frozen test set are outside test now, first "
            f"'{first['path']}' in {first['split']}: move them back, or change 'seed' for a new test set"
        )
