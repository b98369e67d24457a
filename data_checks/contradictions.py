"""Quarantine for images that the labels contradict each other about.

Covered: equal decoded pixels (any file format) under different labels, or with different boxes; every copy is set
aside, since nothing says which one is right. Not covered: masks that differ, near-copies with different labels, and
plain exact copies, which stay and share a group.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from inspection.data.index import ImageIndex
from inspection.data.unlabelled import is_unlabelled

NAMED_COPIES = 3
"""Other files a sentence lists before it counts."""

COPY_CONFLICT = "copy_conflict"
"""Warning of an image of which a copy, aligned and found the same, says something else: `dedupe` notes it."""
Fingerprint = tuple[tuple[float, float, float, float, str], ...]


def quarantine_contradictions(index: ImageIndex) -> ImageIndex:
    """A copy of the index in which contradictory copies are quarantined; earlier reasons are kept."""
    quarantine = index.frame["quarantine"].astype(object)
    detail = index.frame["detail"].astype(object)
    for reason, about in (("label_conflict", _label), ("box_conflict", _boxes)):
        free = index.frame[quarantine.isna() & index.frame["pixel_id"].notna()]
        for rows in conflicting(free, about):
            quarantine.loc[rows.index] = reason
            detail.loc[rows.index] = [_sentence(reason, row, rows) for _, row in rows.iterrows()]
    return index.with_columns(quarantine=quarantine, detail=detail)


def conflicting(
    frame: pd.DataFrame, about: Callable[[pd.Series[Any]], object]
) -> list[pd.DataFrame]:
    """Groups of rows with equal pixels about which `about` gives more than one answer; unlabelled ones give none."""
    frame = frame[~is_unlabelled(frame)]
    copies = frame[frame["pixel_id"].duplicated(keep=False)]
    groups = (rows for _, rows in copies.groupby("pixel_id", sort=True))
    return [rows for rows in groups if len({about(row) for _, row in rows.iterrows()}) > 1]


def label_conflicts(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """Copies under different labels."""
    return conflicting(frame, _label)


def box_conflicts(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """Copies with different boxes."""
    return conflicting(frame, _boxes)


def _label(row: pd.Series[Any]) -> str | None:
    return None if pd.isna(row["label"]) else str(row["label"])


def _boxes(row: pd.Series[Any]) -> Fingerprint:
    """Order of the boxes does not matter, a hundredth of a pixel neither."""
    return tuple(
        sorted(
            (
                round(float(box["x0"]), 2),
                round(float(box["y0"]), 2),
                round(float(box["x1"]), 2),
                round(float(box["y1"]), 2),
                str(box["label"]),
            )
            for box in row["boxes"]
        )
    )


def _sentence(reason: str, row: pd.Series[Any], rows: pd.DataFrame) -> str:
    others = rows[rows["path"] != row["path"]]
    if reason == "label_conflict":
        said = f"labelled '{_label(row)}', but the same pixels are"
        named = [f"'{_label(other)}' in {other['path']}" for _, other in others.iterrows()]
    else:
        said = f"has {len(row['boxes'])} boxes, but the same pixels have"
        named = [
            f"{len(other['boxes'])} other in {other['path']}" for _, other in others.iterrows()
        ]
    more = f" and {len(named) - NAMED_COPIES} more" if len(named) > NAMED_COPIES else ""
    return f"{said} {', '.join(named[:NAMED_COPIES])}{more}: keep the right one, delete the others"
