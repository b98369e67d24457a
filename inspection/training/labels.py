"""The rows of an index that a network learns from, in an order that depends on content alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inspection.data.index import ImageIndex
from inspection.errors import DataError


@dataclass(frozen=True, eq=False)
class Rows:
    """Images of one split: ids, files, groups of images that show one part, and class numbers (N,)."""

    image_ids: tuple[str, ...]
    paths: tuple[Path, ...]
    groups: tuple[str, ...]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.image_ids)


def rows_of(index: ImageIndex, split: str, classes: tuple[str, ...]) -> Rows:
    """The usable rows of `split`, sorted by content; DataError when there are none."""
    part = index.split(split)
    if len(part) == 0:
        raise DataError(
            f"the {split} split holds no images: split the index first, or add images (split.{split})"
        )
    frame = part.frame.sort_values(["image_id", "path"])
    groups = frame["group"].where(frame["group"].notna(), frame["image_id"])
    number = {name: place for place, name in enumerate(classes)}
    return Rows(
        image_ids=tuple(str(name) for name in frame["image_id"]),
        paths=tuple(index.root / str(path) for path in frame["path"]),
        groups=tuple(str(name) for name in groups),
        labels=np.array([number[label] for label in frame["label"]], dtype=np.int64),
    )
