"""Defects as patches: square pictures around each, of one size, in a folder and an index of their own.

Covered: a patch stays in its parent's group and split, so that no parent is on both sides of a split; equal input gives
equal bytes; sources are only read, and a file that is no longer the one that was indexed is left out. Not covered:
near-copies among parents (group them first), boxes of what a mirrored edge repeats.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from deploy.edge.decode import Pixels, decode, read_bytes
from deploy.edge.errors import ImageError
from deploy.edge.files import sha256_bytes
from inspection.config import ChecksConfig, DataConfig
from inspection.data.index import ImageIndex
from inspection.data.inspect_item import describe
from inspection.data.made_folder import check_target, made_folder, write_listing
from inspection.data.patch_defects import Row, Unusable, inside
from inspection.data.patch_geometry import Shape, Window, cropped, moved, resized, resized_mask
from inspection.data.patch_names import class_folders_of, patch_name
from inspection.data.patch_options import PatchOptions, PatchReport
from inspection.data.patch_plan import Counts, Cut, Plan, add_sound, read_marks, read_plans
from inspection.data.readers.base import Box, RawItem
from inspection.data.shapes import Region
from inspection.errors import DataError
from inspection.progress import track

__all__ = ["PatchOptions", "PatchReport", "cut_patches"]

KIND = "patches"
LISTING = "patches.json"
INDEX = "index.parquet"
GONE = ("missing", "unreadable", "changed_since_import")
"""Reasons of files that are not there any more, or not as they were."""
INHERITED = ("split", "camera", "line", "session", "captured_at")


def cut_patches(
    index: ImageIndex, options: PatchOptions, target: Path, *, seed: int
) -> PatchReport:
    """Write patches as PNG files below `target`, one folder per class, with `index.parquet` and `patches.json`.

    Whole or not at all; an earlier folder of patches is replaced. `seed` places the ok patches. DataError when the
    target is the source's or holds other files, or when there is nothing to cut.
    """
    if seed < 0:
        raise DataError(f"patches: seed is {seed}; give 0 or more")
    place = check_target(target, index.root, LISTING, KIND)
    counts = Counts(skipped=Counter({"quarantined": len(index) - len(index.usable())}))
    plans = read_plans(index, options, counts)
    add_sound(plans, options, counts, seed)
    folders = class_folders_of(cut.label for plan in plans for cut in plan.cuts)
    with made_folder(place) as aside:
        made = [
            patch
            for plan in track(plans, "cutting patches", len(plans))
            for patch in _written(plan, index.root, aside, folders, options, counts)
        ]
        if not made:
            raise DataError(f"patches: nothing to cut ({_reasons(counts)}); {_remedy(counts)}")
        ImageIndex.from_rows(place, [row for row, _ in made]).save(aside / INDEX)
        facts = {"options": dataclasses.asdict(options), "seed": seed, "source": index.digest()}
        write_listing(aside, LISTING, KIND, {**facts, "patches": [told for _, told in made]})
    return _report(place, counts)


def windows_in(folder: Path) -> dict[str, list[Window]]:
    """Where the patches of a folder were cut, by the path of their parent."""
    found: dict[str, list[Window]] = {}
    for told in json.loads((folder / LISTING).read_bytes())["patches"]:
        found.setdefault(str(told["parent"]), []).append(Window(*map(int, told["window"])))
    return found


def _reasons(counts: Counts) -> str:
    found = {**counts.skipped, "too_small": counts.too_small, "no_room": counts.no_room}
    return ", ".join(f"{name} {count}" for name, count in found.items() if count) or "no images"


def _remedy(counts: Counts) -> str:
    """What helps when nothing was cut: files that are gone are no fault of the annotations."""
    gone = sum(
        count for name, count in counts.skipped.items() if name.removeprefix("mask_") in GONE
    )
    if gone:
        return f"{gone} images or masks are not what was read: put the files back, or import the images again"
    drawn = counts.too_small or counts.skipped.keys() - {"nothing_drawn", "sound", "quarantined"}
    if counts.skipped["nothing_drawn"] and not drawn:
        return "patches need boxes, regions or masks, and these images have none"
    return "check the annotations"


def _report(place: Path, counts: Counts) -> PatchReport:
    numbers = ("images", "too_small", "over_limit", "mirrored", "no_room")
    return PatchReport(
        folder=place,
        made=dict(sorted(counts.made.items())),
        skipped={name: count for name, count in sorted(counts.skipped.items()) if count},
        **{name: getattr(counts, name) for name in numbers},
    )


def _written(
    plan: Plan,
    root: Path,
    aside: Path,
    folders: dict[str, str],
    options: PatchOptions,
    counts: Counts,
) -> list[tuple[Row, dict[str, Any]]]:
    """The patches of one image: index rows, and what `patches.json` tells of each."""
    try:
        if not plan.cuts:
            raise Unusable(_why_none(plan, options))
        pixels = _opened(plan, root, options)
        regions = read_marks(plan.row, root, options).regions
    except Unusable as reason:
        counts.skipped[str(reason)] += 1
        return []
    counts.images += 1
    found = []
    for number, cut in enumerate(plan.cuts):
        name = f"{folders[cut.label]}/{patch_name(plan.row['path'], number)}"
        _save(aside / name, resized(cropped(pixels, cut.window), options.size))
        counts.made[cut.label] += 1
        counts.mirrored += cut.window.leaves(plan.shape)
        row = _row(name, cut, plan, regions, aside, options)
        found.append((row, _told(name, cut, plan)))
    return found


def _why_none(plan: Plan, options: PatchOptions) -> str:
    if plan.defects:
        return "too_small"
    return "sound" if plan.row["label"] == options.ok_class is not None else "nothing_drawn"


def _opened(plan: Plan, root: Path, options: PatchOptions) -> Pixels:
    try:
        data = read_bytes(inside(root, plan.row["path"]), max_megapixels=options.max_megapixels)
        stated = plan.row["image_id"]
        if stated is not None and sha256_bytes(data) != stated:
            raise Unusable("changed_since_import")
        pixels = decode(data, max_megapixels=options.max_megapixels).pixels
    except ImageError as error:
        raise Unusable(error.reason) from error
    if pixels.shape[:2] != plan.shape:
        raise Unusable("changed_since_import")
    return pixels


def _save(path: Path, pixels: Pixels) -> None:
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f"OpenCV could not encode '{path.name}' as PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())


def _row(
    name: str, cut: Cut, plan: Plan, regions: Sequence[Region], aside: Path, options: PatchOptions
) -> Row:
    """The patch as importing its folder would describe it, and what it has from its parent."""
    parent = plan.row
    facts, oddities = describe(
        RawItem(name), aside, DataConfig(kind="folder", root=aside), ChecksConfig(min_side=1)
    )
    boxes = [moved(defect.box, cut.window, options.size) for defect in plan.defects]
    held = [box for box in boxes if box is not None]
    others = sorted({box.label for box in held} - {cut.label})
    more = [f"patch_holds_others: also shows {', '.join(others)}"] if others else []
    return {
        **facts,
        **{column: parent[column] for column in INHERITED},
        "path": name,
        "label": cut.label,
        "label_source": cut.defect.source if cut.defect else KIND,
        "boxes": [dataclasses.asdict(box) for box in held],
        "regions": _moved_regions(regions, cut.window, plan.shape, options.size),
        "pair_id": parent["path"],
        "group": parent["group"] or parent["image_id"] or parent["path"],
        "source": KIND,
        "warnings": [*oddities, *more],
    }


def _moved_regions(
    regions: Sequence[Region], window: Window, shape: Shape, size: int
) -> list[dict[str, Any]]:
    found = []
    for region in regions:
        mask = cropped(region.mask(*shape), window)
        if mask.any():
            found.append(dataclasses.asdict(Region.of(region.label, resized_mask(mask, size))))
    return found


def _told(name: str, cut: Cut, plan: Plan) -> dict[str, Any]:
    box: Box | None = cut.defect.box if cut.defect else None
    return {
        "path": name,
        "label": cut.label,
        "parent": plan.row["path"],
        "parent_id": plan.row["image_id"],
        "box": [box.x0, box.y0, box.x1, box.y1] if box else None,
        "window": [cut.window.x, cut.window.y, cut.window.side],
        "mirrored": cut.window.leaves(plan.shape),
    }
