"""An index that people have agreed on, and changes planted into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from inspection.data.index import ImageIndex
from tests.unit.checks_material import clean_index

FIRST = "ok/00.png"
BOX = {"x0": 4.0, "y0": 4.0, "x1": 20.0, "y1": 20.0, "label": "scratch"}

Plant = Callable[[ImageIndex], ImageIndex]


def agreed_index(root: Path) -> ImageIndex:
    """Ten parts of each class, half of them with boxes, a third with masks, all from one camera."""
    index = clean_index(root)
    boxes = [[BOX] * (1 + n % 4 // 2) if n % 2 else [] for n in range(len(index))]
    masks = [None if n % 3 else f"masks/{n}.png" for n in range(len(index))]
    return index.with_columns(boxes=boxes, mask_path=masks, camera="top", session="monday")


def put(column: str, value: Any, path: str = FIRST) -> Plant:
    """One value of one image exchanged."""

    def plant(index: ImageIndex) -> ImageIndex:
        values = index.frame[column].astype(object).tolist()
        values[list(index.frame["path"]).index(path)] = value
        return index.with_columns(**{column: values})

    return plant


def only(keep: Callable[[str], bool]) -> Plant:
    """Images whose path is to be kept."""
    return lambda index: index.where([keep(path) for path in index.frame["path"]])


def at_least(number: int) -> Callable[[str], bool]:
    """Paths of parts with this number or a higher one."""
    return lambda path: int(path[-6:-4]) >= number
