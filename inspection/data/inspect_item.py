"""What one file really is, and whether its mask and boxes can belong to it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deploy.edge.decode import Decoded, decode, read_bytes
from deploy.edge.errors import ImageError
from deploy.edge.files import sha256_bytes
from deploy.edge.headers import SUFFIXES
from deploy.edge.statistics import image_statistics
from inspection.config import ChecksConfig, DataConfig
from inspection.data.readers.base import Box, RawItem

Facts = dict[str, Any]
"""Some columns of one index row."""


def describe(
    item: RawItem, root: Path, config: DataConfig, checks: ChecksConfig
) -> tuple[Facts, list[str]]:
    """Index columns of one file and warnings about it; a fault beyond decoding is in `quarantine` and `detail`.

    Raises ImageError when the file cannot be decoded: then nothing is known but that.
    """
    if item.fault is not None and item.fault[0] in ("path_escapes_root", "label_without_image"):
        return {}, []
    path = root / item.path
    data = read_bytes(path, max_megapixels=checks.max_megapixels)
    facts: Facts = {"image_id": sha256_bytes(data), "bytes": len(data)}
    try:
        decoded = decode(data, max_megapixels=checks.max_megapixels)
    except ImageError as error:
        return {**facts, "quarantine": error.reason, "detail": str(error)}, []
    facts |= _facts(decoded)
    warnings = _oddities(decoded, path)
    fault = _too_small(decoded, checks) or _bad_boxes(item.boxes, decoded)
    if fault is None and item.mask_path is not None:
        fault, more = _bad_mask(root, item.mask_path, decoded, config)
        warnings += more if item.label != config.ok_class else []
    if fault is not None:
        facts |= {"quarantine": fault[0], "detail": fault[1]}
    return facts, warnings


def _facts(decoded: Decoded) -> Facts:
    pixels, header = decoded.pixels, decoded.header
    statistics = image_statistics(pixels)
    shape = f"{pixels.shape[0]}x{pixels.shape[1]}".encode()
    return {
        "pixel_id": hashlib.sha256(shape + pixels.tobytes()).hexdigest(),
        "format": header.format,
        "width": header.width,
        "height": header.height,
        "channels": decoded.channels,
        "bit_depth": decoded.bit_depth,
        "brightness": statistics.brightness,
        "contrast": statistics.contrast,
        "sharpness": statistics.sharpness,
    }


def _oddities(decoded: Decoded, path: Path) -> list[str]:
    header, found = decoded.header, []
    if path.suffix.lower() not in SUFFIXES[header.format]:
        found.append(f"wrong_extension: the content is {header.format}, read as such")
    if header.alpha:
        found.append("alpha_dropped: the transparency is ignored")
    if header.colour == "palette":
        found.append("palette: colours were looked up in the file's palette")
    if header.colour == "cmyk":
        found.append("cmyk: printing colours, converted to RGB")
    if decoded.bit_depth > 8:
        found.append(f"sixteen_bit: {decoded.bit_depth} bits a sample, the high byte is used")
    if header.orientation != 1:
        found.append("exif_orientation: ignored, pixels are used as stored")
    return found


def _too_small(decoded: Decoded, checks: ChecksConfig) -> tuple[str, str] | None:
    height, width = decoded.pixels.shape[:2]
    if min(height, width) >= checks.min_side:
        return None
    return (
        "too_small",
        f"{width} x {height} px, checks.min_side is {checks.min_side}: remove it or lower the limit",
    )


def _bad_boxes(boxes: tuple[Box, ...], decoded: Decoded) -> tuple[str, str] | None:
    height, width = decoded.pixels.shape[:2]
    for box in boxes:
        where = f"box {box.label} ({box.x0:g}, {box.y0:g}, {box.x1:g}, {box.y1:g})"
        if box.area <= 0:
            return "box_degenerate", f"{where} has no area: redraw or remove it"
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
            return "box_out_of_bounds", f"{where} leaves the {width} x {height} image: redraw it"
    return None


def _bad_mask(
    root: Path, name: str, decoded: Decoded, config: DataConfig
) -> tuple[tuple[str, str] | None, list[str]]:
    try:
        mask = decode(read_bytes(root / name)).pixels
    except ImageError as error:
        return ("mask_undecodable", f"mask '{name}': {error}"), []
    if mask.shape[:2] != decoded.pixels.shape[:2]:
        sizes = [f"{shape[1]} x {shape[0]}" for shape in (mask.shape, decoded.pixels.shape)]
        return (
            "mask_size",
            f"mask '{name}' is {sizes[0]}, the image {sizes[1]}: export it again",
        ), []
    grey = cv2.cvtColor(mask, cv2.COLOR_RGB2GRAY)
    marked = bool(np.any(grey >= config.mask_threshold))
    return None, [] if marked else [
        f"mask_empty: no pixel of '{name}' reaches {config.mask_threshold}"
    ]
