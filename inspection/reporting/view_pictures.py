"""Every image of an index as a small JPEG, with what is drawn on it as outlines in the small picture's pixels.

Covered: one byte budget for all pictures (a set of ten thousand is stored more coarsely than one of a hundred), files
that are gone, damaged or outside the root (no picture, but the reason). Not covered: colour profiles; beyond
`MAX_MARKS` outlines an image shows its largest ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.decode import Pixels, read_image
from deploy.edge.errors import ImageError
from inspection.data.patch_defects import Row, Unusable, inside
from inspection.data.shapes import Mask, Region, marked
from inspection.parallel import in_order

SIDE = 112
QUALITIES = (60, 45, 30)
BUDGET = 42_000_000
"""Bytes of JPEG in one page; in base64 and with its texts the page stays below 60 MB."""
LEAST = 1_500
"""Bytes that a picture may have however many there are."""
MAX_MARKS = 24
MIN_AREA = 1.0
"""In pixels of the small picture: specks below it cannot be seen."""
FINE = 0.3
"""Pixels of the small picture that an outline may be off, so that it needs few corners."""
TENTHS = 10

BOX, MASK = 0, 1


@dataclass(frozen=True)
class Mark:
    """One outline: BOX or MASK, its class, and x, y, x, y, … in tenths of the small picture's pixels."""

    kind: int
    label: str
    points: tuple[int, ...]


@dataclass(frozen=True)
class Small:
    """A small picture; `jpeg` is empty and `missing` says why when there is none."""

    jpeg: bytes = b""
    width: int = 0
    height: int = 0
    marks: tuple[Mark, ...] = ()
    missing: str = ""


def small_pictures(
    rows: Sequence[Row], root: Path, *, mask_threshold: int, max_megapixels: float
) -> Iterator[Small]:
    """One for each row, in order."""
    limit = max(LEAST, BUDGET // max(1, len(rows)))
    return in_order(lambda row: _small(row, root, limit, mask_threshold, max_megapixels), rows)


def _small(row: Row, root: Path, limit: int, threshold: int, max_megapixels: float) -> Small:
    try:
        pixels = read_image(inside(root, row["path"]), max_megapixels=max_megapixels).pixels
    except Unusable:
        return Small(missing="outside the data folder")
    except (ImageError, OSError, ValueError) as error:
        reason = error.reason if isinstance(error, ImageError) else "unreadable"
        return Small(missing=f"no picture: {reason.replace('_', ' ')}")
    scale = min(1.0, SIDE / max(pixels.shape[:2]))
    small = _shrunk(pixels, scale)
    marks = [
        *_masks(row, root, pixels.shape[:2], scale, threshold, max_megapixels),
        *(_box(box, scale) for box in (row["boxes"] or [])[:MAX_MARKS]),
    ]
    return Small(_jpeg(small, limit), small.shape[1], small.shape[0], tuple(marks))


def _shrunk(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1.0:
        return pixels
    height, width = (max(1, round(length * scale)) for length in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(pixels: Pixels, limit: int) -> bytes:
    """The best of `QUALITIES` that keeps within `limit` bytes, else the last; grey where the picture is."""
    grey = (pixels == pixels[..., :1]).all()
    stored = pixels[..., 0] if grey else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    data = b""
    for quality in QUALITIES:
        _, encoded = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, quality])
        data = encoded.tobytes()
        if len(data) <= limit:
            break
    return data


def _masks(
    row: Row, root: Path, shape: tuple[int, ...], scale: float, threshold: int, limit: float
) -> list[Mark]:
    """Outlines of the regions, else of the mask; none where they do not fit the image."""
    regions = [Region(each["label"], tuple(each["counts"])) for each in row["regions"] or []]
    try:
        if regions:
            drawn = [(region.label, region.mask(shape[0], shape[1])) for region in regions]
        else:
            drawn = list(_mask_file(row, root, shape, threshold, limit))
    except (ImageError, OSError, ValueError):  # the row's quarantine tells what is wrong
        return []
    found = [(label, contour) for label, mask in drawn for contour in _contours(mask)]
    found.sort(key=lambda pair: -cv2.contourArea(pair[1]))
    seen = [pair for pair in found if cv2.contourArea(pair[1]) * scale * scale >= MIN_AREA]
    return [_outline(label, contour, scale) for label, contour in (seen or found[:1])[:MAX_MARKS]]


def _mask_file(
    row: Row, root: Path, shape: tuple[int, ...], threshold: int, limit: float
) -> Iterator[tuple[str, Mask]]:
    if row["mask_path"] is None:
        return
    pixels = read_image(inside(root, row["mask_path"]), max_megapixels=limit).pixels
    if pixels.shape[:2] == tuple(shape):
        yield row["label"] or "mask", marked(pixels, threshold)


def _contours(mask: Mask) -> Sequence[npt.NDArray[Any]]:
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return found


def _outline(label: str, contour: npt.NDArray[Any], scale: float) -> Mark:
    corners = cv2.approxPolyDP(contour, FINE / scale, True).reshape(-1, 2)
    tenths = np.rint((corners + 0.5) * scale * TENTHS).astype(int)
    return Mark(MASK, label, tuple(int(value) for value in tenths.ravel()))


def _box(box: dict[str, Any], scale: float) -> Mark:
    x0, y0, x1, y1 = (round(float(box[name]) * scale * TENTHS) for name in ("x0", "y0", "x1", "y1"))
    return Mark(BOX, str(box["label"]), (x0, y0, x1, y0, x1, y1, x0, y1))
