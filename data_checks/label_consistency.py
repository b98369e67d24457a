"""What labels, boxes and masks say against each other, without any model.

Covered: equal pixels under several labels or with several boxes; copies that `dedupe` found contradicting; boxes of
another class than the image's label; boxes around no marked pixel, marked parts outside every box, boxes that fit their
part badly. Not covered: images with only one kind of annotation; masks that cannot be read or are of another size;
which side is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from data_checks.contradictions import COPY_CONFLICT, box_conflicts, label_conflicts
from data_checks.embeddings import listed
from inspection.data.index import ImageIndex
from inspection.data.marked_area import drawn_area
from inspection.data.shapes import boxes_of

CONTRADICTED = ("label_conflict", "box_conflict")
"""Quarantine codes of images that contradict a copy of theirs: set aside until somebody has looked."""
GOOD_FIT = 0.5
"""IoU of a box and the part it is drawn around, below which one of them is off."""
MIN_PART = 16
"""Pixels; smaller parts of a mask are crumbs."""
MARKED = 128
"""Grey level from which a pixel of a mask file counts."""

Mask = npt.NDArray[np.bool_]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Finding:
    """One thing that speaks against a label: its kind, how strongly (0..1), a better label if known, and words."""

    path: str
    kind: str
    score: float
    suggested: str | None
    sentence: str


def consistency(index: ImageIndex) -> list[Finding]:
    """All findings of the index's rows, by path and kind; quarantined rows only where copies contradict them."""
    frame = index.frame.sort_values("path")
    copies = frame[_considered(frame) & frame["pixel_id"].notna()]
    usable = frame[frame["quarantine"].isna()]
    found = [
        *_label_conflicts(label_conflicts(copies)),
        *_box_conflicts(box_conflicts(copies)),
        *_copy_conflicts(usable),
        *_per_row(usable, _box_class),
        *_per_row(usable, lambda row: _box_mask(row, index)),
    ]
    return sorted(found, key=lambda one: (one.path, one.kind))


def _considered(frame: pd.DataFrame) -> pd.Series[bool]:
    return frame["quarantine"].isna() | frame["quarantine"].isin(CONTRADICTED)


def _per_row(frame: pd.DataFrame, ask: Callable[[dict[str, Any]], Finding | None]) -> list[Finding]:
    rows = [{str(k): v for k, v in row.items()} for row in frame.to_dict(orient="records")]
    answers = (ask(row) for row in rows if len(row["boxes"]))
    return [answer for answer in answers if answer is not None]


def _label_conflicts(groups: Sequence[pd.DataFrame]) -> list[Finding]:
    """Among equal pixels the label of most copies is suggested, if one has most."""
    found = []
    for rows in groups:
        labels = Counter(label for label in rows["label"] if isinstance(label, str))
        first, *others = [*labels.most_common(2), ("", 0)]
        best = first[0] if first[1] > others[0][1] else None
        for path, label in zip(rows["path"], rows["label"], strict=True):
            shared = labels.get(label, 0) / len(rows) if isinstance(label, str) else 0.0
            said = [f"'{other}' in {p}" for p, other in _others(rows, path) if other != label]
            words = f"the same pixels are labelled {listed(said)}"
            suggested = best if best != label else None
            found.append(Finding(path, "label_conflict", 1.0 - shared, suggested, words))
    return found


def _others(rows: pd.DataFrame, path: str) -> list[tuple[str, str]]:
    pairs = zip(rows["path"], rows["label"], strict=True)
    return [
        (other, label if isinstance(label, str) else "nothing")
        for other, label in pairs
        if other != path
    ]


def _box_conflicts(groups: Sequence[pd.DataFrame]) -> list[Finding]:
    found = []
    for rows in groups:
        for path in rows["path"]:
            said = [other for other, _ in _others(rows, path)]
            words = f"the same pixels have other boxes in {listed(said)}"
            found.append(Finding(path, "box_conflict", 0.5, None, words))
    return found


def _copy_conflicts(frame: pd.DataFrame) -> list[Finding]:
    """What `dedupe` found: a copy that is not equal pixel by pixel, but shows the same, is described in another way."""
    start = f"{COPY_CONFLICT}: "
    said = [
        (path, str(warning).removeprefix(start))
        for path, warnings in zip(frame["path"], frame["warnings"], strict=True)
        for warning in warnings
        if str(warning).startswith(start)
    ]
    return [Finding(path, COPY_CONFLICT, 0.5, None, f"copy {words}") for path, words in said]


def _box_class(row: dict[str, Any]) -> Finding | None:
    """Boxes of other classes: all of them (the label is hardly right), or some (it names a part of the truth)."""
    label = row["label"]
    areas: Counter[str] = Counter()
    for box in row["boxes"]:
        if box["label"] is not None:
            areas[str(box["label"])] += _area(_corners(box))  # type: ignore[assignment]
    foreign = {name: area for name, area in areas.items() if name != label}
    if not foreign or not isinstance(label, str):
        return None
    largest = max(sorted(foreign), key=lambda name: foreign[name])
    names = listed([f"'{name}'" for name in sorted(foreign)])
    if label not in areas:
        words = f"labelled '{label}', but every box holds {names}"
        return Finding(row["path"], "box_class", 0.9, largest, words)
    share = foreign[largest] / max(1e-9, float(sum(areas.values())))
    suggested = largest if share > 0.5 else None
    words = f"labelled '{label}', but boxes of {names} are drawn too"
    return Finding(row["path"], "box_class", 0.25 + 0.5 * share, suggested, words)


def _box_mask(row: dict[str, Any], index: ImageIndex) -> Finding | None:
    mask = _mask(row, index)
    if mask is None:
        return None
    faults = box_mask_faults([_corners(box) for box in row["boxes"]], mask)
    if not faults:
        return None
    parts = len(row["boxes"]) + len(boxes_of(mask, min_area=MIN_PART))
    score = min(0.8, 0.3 + len(faults) / max(1, parts))
    return Finding(row["path"], "box_mask", score, None, listed(faults))


def box_mask_faults(boxes: Sequence[Box], mask: Mask) -> list[str]:
    """Where boxes and marked pixels (H, W) disagree, one phrase each.

    A box may surround one connected part, or several: the better of both fits counts.
    """
    _, found = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    numbers = np.asarray(found, np.int32)
    sizes = np.bincount(numbers.ravel())
    inside = np.stack([_counts(box, numbers, len(sizes)) for box in boxes])
    faults = []
    for box, counts in zip(boxes, inside, strict=True):
        where = f"box at ({box[0]:.0f}, {box[1]:.0f})"
        if counts[1:].sum() == 0:
            faults.append(f"{where} holds no marked pixel")
        elif (fit := _fit(box, counts, sizes, numbers)) < GOOD_FIT:
            faults.append(f"{where} fits its mask by IoU {fit:.2f}")
    for part in range(1, len(sizes)):
        if sizes[part] >= MIN_PART and inside[:, part].max() < 0.2 * sizes[part]:
            faults.append(f"{sizes[part]} marked pixels lie in no box")
    return faults


def _counts(box: Box, numbers: npt.NDArray[np.int32], parts: int) -> npt.NDArray[np.int64]:
    """Pixels of each part inside the box; entry 0 is the background."""
    x0, y0, x1, y1 = (max(0, round(side)) for side in box)
    return np.bincount(numbers[y0:y1, x0:x1].ravel(), minlength=parts)


def _fit(
    box: Box,
    counts: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.int32],
) -> float:
    """The best IoU of the box with one part it touches, or with all that lie mostly inside."""
    touched = [int(part) for part in np.flatnonzero(counts) if part]
    within = [part for part in touched if counts[part] >= 0.5 * sizes[part]]
    choices = [*([part] for part in touched), within]
    return max(_iou(box, _around(np.isin(numbers, choice))) for choice in choices if choice)


def _around(mask: Mask) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _iou(a: Box, b: Box) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, wide) * max(0.0, high)
    return shared / max(1e-9, _area(a) + _area(b) - shared)


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _corners(box: dict[str, Any]) -> Box:
    return float(box["x0"]), float(box["y0"]), float(box["x1"]), float(box["y1"])


def _mask(row: dict[str, Any], index: ImageIndex) -> Mask | None:
    """All marked pixels of an image, of regions or else of its mask file; None when there are none to be had."""
    if not (row["width"] > 0 and row["height"] > 0):  # NaN in a row that nobody measured
        return None
    return drawn_area(index.root, row, (int(row["height"]), int(row["width"])), threshold=MARKED)
