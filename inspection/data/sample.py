"""At most so many images of each class: a fixed, balanced part of a large set.

Covered: the same images and seed give the same part in any order of rows; an image that is added takes the place of at
most one other. Not covered: unlabelled and quarantined rows, which all stay; near-copies, of which the part may hold
some (they are looked for in the part, so none is torn apart by the split).
"""

from __future__ import annotations

import hashlib

import pandas as pd

from inspection.data.index import ImageIndex


def at_most_per_class(index: ImageIndex, count: int, *, seed: int) -> ImageIndex:
    """The rows of `index`, of each class's usable ones those `count` whose contents come first in a seeded order."""
    frame = index.frame
    counted = frame["quarantine"].isna() & frame["label"].notna()
    place = pd.Series([_place(image_id, seed) for image_id in frame["image_id"]], dtype=object)
    chosen = frame.assign(order=place)[counted].sort_values(["order", "path"])
    kept = chosen.groupby("label").head(count).index
    return index.where(~counted | frame.index.isin(kept))


def _place(image_id: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {image_id}".encode()).hexdigest()
