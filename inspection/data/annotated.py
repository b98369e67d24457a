"""Pictures with what is drawn on them: boxes with their classes, regions, and the squares that patches are cut from.

Covered: small pictures are enlarged by whole factors and lines and letters grow with large ones, so that names stay
readable; Latin, Greek and Cyrillic names. Not covered: other scripts (letters show as frames), names wider than the
picture (cut with an ellipsis).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from deploy.edge.decode import Pixels, read_image
from deploy.edge.errors import ImageError
from inspection.data.class_colours import Colour, class_colours, colour_of
from inspection.data.index import ImageIndex
from inspection.data.labels_drawn import Tag, write_tags
from inspection.data.made_folder import check_target, made_folder, write_listing
from inspection.data.patch_defects import Row, Unusable, inside, marks_of
from inspection.data.patch_geometry import Window
from inspection.data.patch_names import patch_name
from inspection.data.readers.base import Box
from inspection.data.shapes import Region
from inspection.errors import DataError
from inspection.progress import track
from inspection.records import Record

KIND = "annotated pictures"
LISTING = "annotated.json"
LONGER, SHORTER = 640, 128
"""A picture is enlarged until its sides reach these."""
LARGEST = 4096
"""No enlarging beyond; a picture that is larger by itself stays as it is."""
WASH = 0.3
"""How much of a region's colour lies over its pixels."""
DARK: Colour = (0, 0, 0)
DASHES = 12
"""Of each side of a patch's square."""


@dataclass(frozen=True)
class AnnotatedReport(Record):
    """Pictures written to `folder`; `skipped`: images without one, by the reason why."""

    folder: Path
    written: int
    skipped: dict[str, int]


def annotate(
    pixels: Pixels,
    boxes: Sequence[Box],
    regions: Sequence[Region],
    patches: Sequence[Window] = (),
    *,
    colours: Mapping[str, Colour] | None = None,
) -> Pixels:
    """A copy of RGB `pixels` (H, W, 3) with everything drawn on it, enlarged by a whole factor when it is small.

    `colours` by class (`class_colours` of the whole data set tells classes apart best); else by name alone.
    """
    labels = {box.label for box in boxes} | {region.label for region in regions}
    named = {label: (colours or {}).get(label, colour_of(label)) for label in labels}
    factor = _factor(pixels.shape[0], pixels.shape[1])
    canvas = np.ascontiguousarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1))
    width = max(1, round(max(canvas.shape[:2]) / 420))
    for region in regions:
        _paint(canvas, region, factor, named[region.label], width)
    for window in patches:
        _dashed(canvas, window, factor, width)
    for box in boxes:
        low = round(box.x0 * factor), round(box.y0 * factor)
        high = round(box.x1 * factor) - 1, round(box.y1 * factor) - 1
        cv2.rectangle(canvas, low, high, DARK, width * 3)
        cv2.rectangle(canvas, low, high, named[box.label], width)
    return write_tags(canvas, _tags(boxes, regions, pixels.shape, factor, named))


def write_annotated(
    index: ImageIndex,
    target: Path,
    *,
    patches: Mapping[str, Sequence[Window]] | None = None,
    mask_threshold: int = 128,
    max_megapixels: float = 100.0,
) -> AnnotatedReport:
    """One JPEG for each image that can be read, in a folder that is whole or absent; `patches` by image path."""
    if unknown := sorted(set(patches or {}) - set(index.frame["path"])):
        raise DataError(f"annotated: '{unknown[0]}' is not in the index; give paths as it has them")
    place = check_target(target, index.root, LISTING, KIND)
    rows = sorted(index.usable().table().to_pylist(), key=lambda row: str(row["path"]))
    colours = class_colours(_labels(rows))
    skipped = {"quarantined": len(index) - len(rows)}
    shown: dict[str, str] = {}
    with made_folder(place) as aside:
        for row in track(rows, "drawing annotations", len(rows)):
            try:
                pixels = read_image(
                    inside(index.root, row["path"]), max_megapixels=max_megapixels
                ).pixels
                squares = (patches or {}).get(row["path"], ())
                drawn = _drawn(row, index.root, pixels, squares, colours, mask_threshold)
            except (ImageError, Unusable) as error:
                reason = error.reason if isinstance(error, ImageError) else str(error)
                skipped[reason] = skipped.get(reason, 0) + 1
                continue
            name = patch_name(row["path"], 0).removesuffix("-000.png") + ".jpg"
            _save(aside / name, drawn)
            shown[name] = row["path"]
        write_listing(aside, LISTING, KIND, {"shows": shown})
    return AnnotatedReport(place, len(shown), {name: n for name, n in skipped.items() if n})


def _labels(rows: Sequence[Row]) -> set[str]:
    drawn = {
        each["label"] for row in rows for each in (*(row["boxes"] or []), *(row["regions"] or []))
    }
    return drawn | {row["label"] for row in rows if row["label"] is not None}


def _drawn(
    row: Row,
    root: Path,
    pixels: Pixels,
    patches: Sequence[Window],
    colours: Mapping[str, Colour],
    threshold: int,
) -> Pixels:
    if (row["height"], row["width"]) != pixels.shape[:2]:
        raise Unusable("changed_since_import")
    marks = marks_of(row, root, threshold=threshold, ok_class=None, max_megapixels=1e4)
    boxes = [Box(**box) for box in row["boxes"] or []]
    return annotate(pixels, boxes, marks.regions, patches, colours=colours)


def _save(path: Path, pixels: Pixels) -> None:
    swapped = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, 92])
    if not done:
        raise OSError(f"OpenCV could not encode '{path.name}' as JPEG")
    path.write_bytes(data.tobytes())


def _factor(height: int, width: int) -> int:
    longer, shorter = max(height, width), min(height, width)
    wanted = max(math.ceil(LONGER / longer), math.ceil(SHORTER / shorter))
    return max(1, min(wanted, LARGEST // longer))


def _paint(canvas: Pixels, region: Region, factor: int, colour: Colour, width: int) -> None:
    """A wash over the region's pixels and a line around them."""
    height, across = canvas.shape[0] // factor, canvas.shape[1] // factor
    mask = region.mask(height, across).repeat(factor, axis=0).repeat(factor, axis=1)
    if not mask.any():
        return
    blend = canvas[mask] * (1 - WASH) + np.array(colour, np.float32) * WASH
    canvas[mask] = blend.astype(np.uint8)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, contours, -1, colour, width)


def _dashed(canvas: Pixels, window: Window, factor: int, width: int) -> None:
    """The square of a patch, in black and white dashes, so that it shows on every ground."""
    low = np.array((window.x, window.y)) * factor
    high = low + window.side * factor - 1
    corners = [low, np.array((high[0], low[1])), high, np.array((low[0], high[1]))]
    for begin, end in zip(corners, [*corners[1:], corners[0]], strict=True):
        ends = np.linspace(begin, end, DASHES + 1).round().astype(int)
        for number in range(DASHES):
            colour = (255, 255, 255) if number % 2 == 0 else DARK
            a, b = ends[number], ends[number + 1]
            cv2.line(canvas, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])), colour, width)


def _tags(
    boxes: Sequence[Box],
    regions: Sequence[Region],
    shape: tuple[int, ...],
    factor: int,
    colours: Mapping[str, Colour],
) -> list[Tag]:
    """A name for each box, and for each region that has no box of its class."""
    placed = [(box.label, box.x0, box.y0, box.y1) for box in boxes]
    boxed = {box.label for box in boxes}
    for region in regions:
        if region.label not in boxed and region.area:
            y, x = np.nonzero(region.mask(shape[0], shape[1]))
            placed.append((region.label, float(x.min()), float(y.min()), float(y.max() + 1)))
    return [
        Tag(label, round(x * factor), round(top * factor), round(bottom * factor), colours[label])
        for label, x, top, bottom in placed
    ]
