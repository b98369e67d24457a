"""Pictures for the report: small JPEGs as data URIs, and the outlines of masks and boxes as vectors over them.

Covered: one byte budget for the whole page (later pictures shrink, then give way to a placeholder), files that are gone
or unreadable, paths that leave the root. Not covered: colour profiles.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.decode import read_image
from deploy.edge.errors import ImageError
from inspection.data.index import ImageIndex
from inspection.data.marked_area import drawn_area, inside_root
from inspection.data.shapes import Mask

Pixels = npt.NDArray[np.uint8]
Polygon = tuple[tuple[float, float], ...]

SIDE, QUALITY = 320, 90
SMALL_SIDE, SMALL_QUALITY = 160, 80
SHRINK_AFTER, STOP_AFTER = 3_600_000, 5_200_000
"""Bytes of JPEG; base64 adds a third, and the page stays below 8 MB with its text and charts."""
MAX_POLYGONS = 40
MIN_AREA = 2.0
"""In thumbnail pixels: specks below it cannot be seen anyway."""


@dataclass(frozen=True)
class Thumbnail:
    """A picture to show: `uri` is empty and `missing` says why when there is none. Outlines are in its pixels."""

    uri: str
    width: int
    height: int
    polygons: tuple[Polygon, ...] = ()
    missing: str = ""


@dataclass
class Pictures:
    """Thumbnails of an index's images, made on demand within the page's budget."""

    index: ImageIndex
    mask_threshold: int = 128
    max_megapixels: float = 100.0
    spent: int = 0
    _made: dict[str, Thumbnail] = field(default_factory=dict)
    _rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = self.index.frame[["path", "boxes", "regions", "mask_path"]].to_dict(orient="records")
        self._rows = {str(row["path"]): {str(k): v for k, v in row.items()} for row in rows}

    def of(self, path: str) -> Thumbnail:
        """The thumbnail of the image at `path`, relative to the index's root."""
        if path not in self._made:
            self._made[path] = self._make(path)
        else:
            # The page repeats the bytes wherever it repeats the picture.
            self.spent += len(self._made[path].uri) * 3 // 4
        return self._made[path]

    def drawn(self, pixels: Pixels, area: Mask | None = None) -> Thumbnail:
        """A small thumbnail of a picture made for the page, uint8 RGB (H, W, 3), with the outlines of `area` (H, W)."""
        if self.spent > STOP_AFTER:
            return _placeholder("left out: the page is full")
        jpeg, scale = _jpeg(pixels, SMALL_SIDE, SMALL_QUALITY)
        outlines = _area_polygons(area, scale) if area is not None else ()
        return self._thumbnail(jpeg, pixels.shape[:2], scale, outlines)

    def _make(self, path: str) -> Thumbnail:
        if self.spent > STOP_AFTER:
            return _placeholder("left out: the page is full")
        pixels, missing = self.pixels(path)
        if pixels is None:
            return _placeholder(missing)
        tight = self.spent > SHRINK_AFTER
        jpeg, scale = _jpeg(pixels, *((SMALL_SIDE, SMALL_QUALITY) if tight else (SIDE, QUALITY)))
        polygons = self._outlines(self._rows.get(path, {}), pixels.shape[:2], scale)
        return self._thumbnail(jpeg, pixels.shape[:2], scale, polygons)

    def _thumbnail(
        self, jpeg: bytes, shape: tuple[int, ...], scale: float, outlines: tuple[Polygon, ...]
    ) -> Thumbnail:
        self.spent += len(jpeg)
        height, width = (max(1, round(side * scale)) for side in shape)
        uri = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
        return Thumbnail(uri, width, height, outlines)

    def pixels(self, path: str) -> tuple[Pixels | None, str]:
        """The image itself, uint8 RGB (H, W, 3), or why it cannot be had."""
        file = inside_root(self.index.root, path)
        if file is None:
            return None, "outside the data folder"
        try:
            return read_image(file, max_megapixels=self.max_megapixels).pixels, ""
        except ImageError as error:
            return None, f"no picture: {error.reason.replace('_', ' ')}"

    def _outlines(
        self, row: dict[str, Any], shape: tuple[int, ...], scale: float
    ) -> tuple[Polygon, ...]:
        area = drawn_area(
            self.index.root,
            row,
            (shape[0], shape[1]),
            threshold=self.mask_threshold,
            max_megapixels=self.max_megapixels,
        )
        if area is not None and area.any():
            return _area_polygons(area, scale)
        boxes = row.get("boxes")
        return tuple(_box(box, scale) for box in boxes[:MAX_POLYGONS]) if boxes else ()


def _jpeg(pixels: Pixels, side: int, quality: int) -> tuple[bytes, float]:
    """JPEG bytes of the picture shrunk to `side` px at most, and the scale used."""
    scale = min(1.0, side / max(pixels.shape[:2]))
    if scale < 1.0:
        height, width = (max(1, round(length * scale)) for length in pixels.shape[:2])
        resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        pixels = np.asarray(resized, dtype=np.uint8)
    swapped = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes(), scale


def _area_polygons(area: Mask, scale: float) -> tuple[Polygon, ...]:
    binary = area.astype(np.uint8)
    contours, _ = cv2.findContours(binary, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = sorted(contours, key=cv2.contourArea, reverse=True)[:MAX_POLYGONS]
    kept = [c for c in largest if cv2.contourArea(c) * scale * scale >= MIN_AREA] or largest[:1]
    return tuple(_polygon(cv2.approxPolyDP(c, 0.6, True), scale) for c in kept)


def _polygon(points: npt.NDArray[Any], scale: float) -> Polygon:
    centres = (np.asarray(points, dtype=np.float64).reshape(-1, 2) + 0.5) * scale
    return tuple((round(float(x), 1), round(float(y), 1)) for x, y in centres)


def _box(box: dict[str, Any], scale: float) -> Polygon:
    x0, y0, x1, y1 = (round(float(box[name]) * scale, 1) for name in ("x0", "y0", "x1", "y1"))
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _placeholder(reason: str) -> Thumbnail:
    return Thumbnail("", 160, 120, missing=reason)
