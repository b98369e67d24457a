"""What another precision or runtime did to decisions, image by image; the device counts as the workshop does.

Covered: labels that flipped, thresholds crossed, how far probabilities moved, what each class gained and lost.
Not covered: what these counts allow to be promised; intervals are the workshop's (`deploy/export/certificate.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.edge.decide import decide
from deploy.edge.spec import Decision

Floats = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]

CLEAR_MARGIN = 0.01
"""Between the two most probable classes: a label that changes below it was no decision to begin with."""
BINS = 15


@dataclass(frozen=True)
class ClassCounts:
    """Of `support` images of one class: recognised before and after, and how many changed their label either way."""

    label: str
    support: int
    hits_before: int
    hits_after: int
    gained: int
    lost: int
    flips: int


@dataclass(frozen=True)
class Parity:
    """Counts over `images` images; `flips_clear` of `clear` images whose margin exceeded 0.01 before.

    `crossings`: another outcome (accept, reject, review) by the bundle's decision. `max_delta`, `mean_delta`: largest
    change of a probability of an image, over images. `worst_image` has the largest. `ece`: expected calibration error
    in 15 equal bins of confidence.
    """

    images: int
    flips: int
    clear: int
    flips_clear: int
    crossings: int
    max_delta: float
    mean_delta: float
    ece_before: float
    ece_after: float
    worst_image: str
    flipped_images: tuple[str, ...]
    per_class: tuple[ClassCounts, ...]


def parity(
    before: Floats,
    after: Floats,
    *,
    labels: Sequence[str],
    image_ids: Sequence[str],
    classes: Sequence[str],
    decision: Decision,
) -> Parity:
    """Compare probabilities (N, C) of the same images in the same order; ValueError if they cannot be."""
    if before.shape != after.shape or before.shape != (len(labels), len(classes)) or not labels:
        raise ValueError(
            f"probabilities {before.shape} and {after.shape} of {len(labels)} images and "
            f"{len(classes)} classes cannot be compared"
        )
    one, two = before.astype(np.float64), after.astype(np.float64)
    delta = np.abs(one - two).max(axis=1)
    flipped = one.argmax(axis=1) != two.argmax(axis=1)
    ranked = np.sort(one, axis=1)
    clear = ranked[:, -1] - ranked[:, -2] > CLEAR_MARGIN
    names = tuple(classes)
    outcomes = [[decide(row, names, decision).outcome for row in rows] for rows in (before, after)]
    true = np.array([names.index(label) for label in labels])
    return Parity(
        images=len(delta),
        flips=int(flipped.sum()),
        clear=int(clear.sum()),
        flips_clear=int((flipped & clear).sum()),
        crossings=sum(ours != theirs for ours, theirs in zip(*outcomes, strict=True)),
        max_delta=float(delta.max()),
        mean_delta=float(delta.mean()),
        ece_before=calibration_error(one, true),
        ece_after=calibration_error(two, true),
        worst_image=image_ids[int(delta.argmax())],
        flipped_images=tuple(image_ids[int(i)] for i in np.flatnonzero(flipped)),
        per_class=_per_class(true, one.argmax(axis=1), two.argmax(axis=1), names),
    )


def calibration_error(probabilities: Floats, true: npt.NDArray[np.integer[Any]]) -> float:
    """Gap between confidence and accuracy, weighted by images over 15 equal bins (Guo et al., ICML 2017)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(true))


def _per_class(
    true: npt.NDArray[np.int64],
    before: npt.NDArray[np.int64],
    after: npt.NDArray[np.int64],
    names: Sequence[str],
) -> tuple[ClassCounts, ...]:
    was, now = before == true, after == true
    rows = []
    for i, label in enumerate(names):
        mine = true == i
        rows.append(
            ClassCounts(
                label=label,
                support=int(mine.sum()),
                hits_before=int((was & mine).sum()),
                hits_after=int((now & mine).sum()),
                gained=int((now & ~was & mine).sum()),
                lost=int((was & ~now & mine).sum()),
                flips=int(((before != after) & mine).sum()),
            )
        )
    return tuple(rows)
