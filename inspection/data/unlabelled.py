"""Images without a label that are meant to have none: for training only, and never beside a test image of their group.

Covered: which rows they are, by what a reader wrote into `label_source`; their place in a split. Not covered: images
that merely lack a label, which no split takes and the gate refuses.
"""

from __future__ import annotations

import pandas as pd

from inspection.data.index import ImageIndex
from inspection.errors import DataError

UNLABELLED = "unlabelled"
"""`label_source` of an image that a config names as unlabelled, as long as it has no label."""


def is_unlabelled(frame: pd.DataFrame) -> pd.Series[bool]:
    """Which rows are meant to be without a label."""
    return frame["label"].isna() & (frame["label_source"] == UNLABELLED)


def labelled_part(index: ImageIndex) -> ImageIndex:
    """The index without them; rows in quarantine and such that merely lack a label stay."""
    away = is_unlabelled(index.frame)
    return index.where(~away) if away.any() else index


def with_unlabelled_in_train(index: ImageIndex, *, frozen: frozenset[str]) -> ImageIndex:
    """A copy in which each usable unlabelled image is in train, or in no split if that would show train a test image.

    Left out are those whose group has a member in val, in test or in the frozen test set, and those that their own data
    put into val or test.
    """
    frame = index.frame
    ours = is_unlabelled(frame) & frame["quarantine"].isna()
    if not ours.any():
        return index
    member = frame["group"].where(frame["group"].notna(), frame["image_id"])
    judged = frame["split"].isin(["val", "test"]) | frame["image_id"].isin(list(frozen))
    kept = ours & ~member.isin(list(member[judged]))
    return index.with_columns(split=frame["split"].mask(ours, None).mask(kept, "train"))


def left_out(index: ImageIndex) -> int:
    """How many usable unlabelled images a split could not take."""
    frame = index.frame
    ours = is_unlabelled(frame) & frame["quarantine"].isna()
    return int((ours & frame["split"].isna()).sum()) if frame["split"].notna().any() else 0


def check_there(index: ImageIndex) -> None:
    """DataError when the train split holds no unlabelled image to learn from."""
    train = index.split("train").frame
    if train["label"].isna().any():
        return
    ours = int((is_unlabelled(index.frame) & index.frame["quarantine"].isna()).sum())
    why = (
        f"all {ours} of them share a group with images of val or test, so learning from them would be a leak: "
        "add images of other parts"
        if ours
        else "name their folder: data.unlabelled=FOLDER (plumbline data import --unlabelled)"
    )
    raise DataError(
        f"student.unlabelled: the train split holds no unlabelled image: {why}, "
        "or set student.unlabelled=false"
    )
