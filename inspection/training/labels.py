"""The rows of an index that a network learns from, in an order that depends on content alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from inspection.data.index import ImageIndex
from inspection.errors import DataError


@dataclass(frozen=True, eq=False)
class Rows:
    """Images of one split: ids, files, groups of images that show one part, and class numbers (N,), -1 for none."""

    image_ids: tuple[str, ...]
    paths: tuple[Path, ...]
    groups: tuple[str, ...]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.image_ids)


NO_LABEL = -1


def learnable_classes(index: ImageIndex) -> tuple[str, ...]:
    """The classes of `index`; DataError when there are not two to tell apart."""
    classes = index.classes
    if len(classes) < 2:
        found = f"only '{classes[0]}'" if classes else "none"
        raise DataError(
            f"a classifier needs images of at least 2 classes, the data has {found}: add images of another class"
        )
    return classes


def rows_of(
    index: ImageIndex, split: str, classes: tuple[str, ...], *, unlabelled: bool = False
) -> Rows:
    """The usable rows of `split`, sorted by content; those without a label only if asked for.

    DataError when no labelled ones are left.
    """
    part = index.split(split)
    if not part.frame["label"].notna().any():
        what = "labelled images" if len(part) else "images"
        raise DataError(
            f"the {split} split holds no {what}: split the index first, or add images (split.{split})"
        )
    part = part if unlabelled else part.where(part.frame["label"].notna())
    frame = part.frame.sort_values(["image_id", "path"])
    groups = frame["group"].where(frame["group"].notna(), frame["image_id"])
    number = {name: place for place, name in enumerate(classes)}
    return Rows(
        image_ids=tuple(str(name) for name in frame["image_id"]),
        paths=tuple(index.root / str(path) for path in frame["path"]),
        groups=tuple(str(name) for name in groups),
        labels=np.array(
            [NO_LABEL if pd.isna(label) else number[label] for label in frame["label"]],
            dtype=np.int64,
        ),
    )
