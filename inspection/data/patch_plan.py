"""What is to be cut from each image: windows around its defects, and places where it is known to be sound.

Covered: the largest defects first, in an order that the data alone decides; no sound window touches a defect, however
small, or another one; images whose defects are not drawn give no sound windows. Not covered: defects nobody has drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from deploy.edge.files import sha256_bytes
from inspection.data.index import ImageIndex
from inspection.data.patch_defects import Defect, Marks, Row, Unusable, marks_of, size_of
from inspection.data.patch_geometry import (
    Shape,
    Window,
    free_window,
    start,
    whole,
    window_around,
)
from inspection.data.patch_options import PatchOptions
from inspection.progress import track


@dataclass(frozen=True)
class Cut:
    """One patch to be: where it lies in its parent, its class, and the defect it shows (None: sound)."""

    window: Window
    label: str
    defect: Defect | None = None


@dataclass
class Plan:
    """What to cut from one image, and every defect that is in it."""

    row: Row
    shape: Shape
    defects: tuple[Defect, ...]
    cuts: list[Cut]


@dataclass
class Counts:
    """What happened on the way."""

    made: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    too_small: int = 0
    over_limit: int = 0
    mirrored: int = 0
    no_room: int = 0
    images: int = 0


def read_plans(index: ImageIndex, options: PatchOptions, counts: Counts) -> list[Plan]:
    """One per usable image whose marks can be read, by path; the defects' windows are already in it."""
    rows = sorted(index.usable().table().to_pylist(), key=lambda row: str(row["path"]))
    plans = []
    for row in track(rows, "reading annotations", len(rows)):
        try:
            plans.append(_plan(row, read_marks(row, index.root, options), options, counts))
        except Unusable as reason:
            counts.skipped[str(reason)] += 1
    return plans


def read_marks(row: Row, root: Path, options: PatchOptions) -> Marks:
    """What is drawn on the image, under these options; Unusable when it cannot be told."""
    return marks_of(
        row,
        root,
        threshold=options.mask_threshold,
        ok_class=options.ok_class,
        max_megapixels=options.max_megapixels,
    )


def _plan(row: Row, marks: Marks, options: PatchOptions, counts: Counts) -> Plan:
    shape = size_of(row)
    large = [d for d in marks.defects if d.large_enough(options.min_area, options.min_side)]
    counts.too_small += len(marks.defects) - len(large)
    counts.over_limit += max(0, len(large) - options.max_per_image)
    cuts = [
        Cut(_window(defect, shape, options), defect.box.label, defect)
        for defect in large[: options.max_per_image]
    ]
    return Plan(row, shape, marks.defects, cuts)


def _window(defect: Defect, shape: Shape, options: PatchOptions) -> Window:
    return window_around(
        defect.box, shape, context=options.context, min_side=options.min_patch_side
    )


def add_sound(plans: Sequence[Plan], options: PatchOptions, counts: Counts, seed: int) -> None:
    """Patches of the ok class, as large as those of defects are: the scale must not tell the classes apart."""
    sides = [cut.window.side for plan in plans for cut in plan.cuts] or [options.min_patch_side]
    for plan in plans:
        if not options.ok_per_image or not _known_sound(plan, options):
            continue
        digest = sha256_bytes(str(plan.row["path"]).encode("utf-8", "surrogatepass"))
        random = np.random.default_rng([seed, int(digest[:12], 16)])
        windows = list(_sound_windows(plan, sides, options, random))
        counts.no_room += options.ok_per_image - len(windows)
        plan.cuts += [Cut(window, str(options.ok_class)) for window in windows]


def _known_sound(plan: Plan, options: PatchOptions) -> bool:
    """Whether the annotation says where the image is sound: all of it, or all but what is drawn."""
    if plan.defects:
        return options.ok_from_defective
    return bool(plan.row["label"] == options.ok_class)


def _sound_windows(
    plan: Plan, sides: Sequence[int], options: PatchOptions, random: np.random.Generator
) -> Iterator[Window]:
    """Windows that touch neither a defect, however small, nor each other."""
    gap, (height, width) = options.ok_gap, plan.shape
    bounds = [whole(defect.box, plan.shape) for defect in plan.defects]
    taken = [(x0 - gap, y0 - gap, x1 + gap, y1 + gap) for x0, y0, x1, y1 in bounds]
    for number in range(options.ok_per_image):
        side = int(sides[int(random.integers(len(sides)))])
        if side > min(height, width) and not taken and number == 0:
            found: Window | None = Window(
                start(width, width, side), start(height, height, side), side
            )
        else:
            found = free_window(plan.shape, side, taken, random)
        if found is not None:
            taken.append((found.x, found.y, found.x + found.side, found.y + found.side))
            yield found
