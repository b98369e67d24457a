"""What one file really is, and whether its mask and boxes can belong to it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from deploy.edge.decode import Decoded, Pixels, decode, read_bytes
from deploy.edge.errors import ImageError
from deploy.edge.files import sha256_bytes
from deploy.edge.headers import SUFFIXES
from deploy.edge.statistics import image_statistics
from inspection.config import ChecksConfig, DataConfig
from inspection.data.class_masks import class_numbers, class_regions
from inspection.data.fingerprints import pixel_id, signs
from inspection.data.readers.base import Box, RawItem
from inspection.data.readers.files import Fault
from inspection.data.readers.stated import one_line, shown
from inspection.data.shapes import Outline, Region, ShapeError, marked

Facts = dict[str, Any]
"""Some columns of one index row."""

UNOPENED = frozenset(
    {
        "label_without_image",
        "linked_folder",
        "name_control_character",
        "name_not_utf8",
        "path_escapes_root",
    }
)
"""Faults after which the file is not even read: not ours to open, or no image."""


def describe(
    item: RawItem, root: Path, config: DataConfig, checks: ChecksConfig
) -> tuple[Facts, list[str]]:
    """Index columns of one file and warnings about it; what is wrong is in `quarantine` and `detail`."""
    if item.fault is not None and item.fault[0] in UNOPENED:
        return {}, []
    path = root / item.path
    try:
        data = read_bytes(path, max_megapixels=checks.max_megapixels)
    except ImageError as error:
        return {"quarantine": error.reason, "detail": _without_root(error, root)}, []
    facts: Facts = {"image_id": sha256_bytes(data), "bytes": len(data)}
    try:
        decoded = decode(data, max_megapixels=checks.max_megapixels)
    except ImageError as error:
        return {**facts, "quarantine": error.reason, "detail": str(error)}, []
    facts |= _facts(decoded)
    warnings = _oddities(decoded, path)
    item = _in_pixels(item, decoded)
    facts["boxes"] = [dataclasses.asdict(box) for box in item.boxes]
    fault = _too_small(decoded, checks) or _other_size(item, decoded) or _bad_boxes(item, decoded)
    if fault is None and item.shapes:
        facts["regions"], fault = _regions(item, decoded)
    if fault is None and item.fault is None and item.mask_path is not None:
        told, oddities, fault = _mask_facts(item, item.mask_path, root, decoded, config, checks)
        facts |= told
        warnings += oddities
    if fault is not None:
        facts |= {"quarantine": fault[0], "detail": fault[1]}
    return facts, warnings


def _facts(decoded: Decoded) -> Facts:
    pixels, header = decoded.pixels, decoded.header
    statistics = image_statistics(pixels)
    return {
        "pixel_id": pixel_id(pixels),
        "fingerprint": signs(pixels),
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


def _too_small(decoded: Decoded, checks: ChecksConfig) -> Fault | None:
    height, width = decoded.pixels.shape[:2]
    if min(height, width) >= checks.min_side:
        return None
    return (
        "too_small",
        f"{width} x {height} px, checks.min_side is {checks.min_side}: remove it or lower the limit",
    )


def _other_size(item: RawItem, decoded: Decoded) -> Fault | None:
    height, width = decoded.pixels.shape[:2]
    if item.stated_size is None or item.stated_size == (width, height):
        return None
    stated = f"{item.stated_size[0]} x {item.stated_size[1]}"
    sentence = f"annotated at {stated} px, the image is {width} x {height}: annotate it again"
    return "annotation_size", sentence


def _bad_boxes(item: RawItem, decoded: Decoded) -> Fault | None:
    height, width = decoded.pixels.shape[:2]
    for box in item.boxes:
        where = f"box {box.label} ({box.x0:g}, {box.y0:g}, {box.x1:g}, {box.y1:g})"
        if box.area <= 0:
            return "box_degenerate", f"{where} has no area: redraw or remove it"
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
            return "box_out_of_bounds", f"{where} leaves the {width} x {height} image: redraw it"
    return None


def _in_pixels(item: RawItem, decoded: Decoded) -> RawItem:
    """The item with boxes and outlines in pixels of the opened image."""
    if not item.relative:
        return item
    height, width = decoded.pixels.shape[:2]
    boxes = tuple(
        Box(box.x0 * width, box.y0 * height, box.x1 * width, box.y1 * height, box.label)
        for box in item.boxes
    )
    shapes = tuple(
        shape.scaled(width, height) if isinstance(shape, Outline) else shape
        for shape in item.shapes
    )
    return dataclasses.replace(item, boxes=boxes, shapes=shapes, relative=False)


def _regions(item: RawItem, decoded: Decoded) -> tuple[list[dict[str, Any]], Fault | None]:
    """Every shape as pixels, or the first that cannot belong to this image."""
    height, width = decoded.pixels.shape[:2]
    try:
        found = [shape.region(height, width) for shape in item.shapes]
    except ShapeError as error:
        return [], (error.code, f"{error}: draw it again or remove it")
    return [dataclasses.asdict(region) for region in found], None


def _mask_facts(
    item: RawItem,
    name: str,
    root: Path,
    decoded: Decoded,
    config: DataConfig,
    checks: ChecksConfig,
) -> tuple[Facts, list[str], Fault | None]:
    """What the mask adds to the row, what is odd about it, or why it cannot be this image's."""
    try:
        data, pixels = _opened_mask(root / name, decoded, checks)
        if item.mask_classes is None:
            found = bool(marked(pixels, config.mask_threshold).any())
            return {}, _mask_oddities(item, config, marked=found), None
        regions = class_regions(class_numbers(data), item.mask_classes)
    except ImageError as error:
        return {}, [], ("mask_undecodable", f"mask {shown(name)}: {_without_root(error, root)}")
    except ShapeError as error:
        return {}, [], (error.code, f"mask {shown(name)}: {error}")
    return _class_facts(regions, item, config)


def _opened_mask(path: Path, decoded: Decoded, checks: ChecksConfig) -> tuple[bytes, Pixels]:
    """The mask's bytes and pixels; ShapeError when it is of another size than the image."""
    limit = checks.max_megapixels
    data = read_bytes(path, max_megapixels=limit)
    mask = decode(data, max_megapixels=limit).pixels
    if mask.shape[:2] != decoded.pixels.shape[:2]:
        sizes = [f"{shape[1]} x {shape[0]}" for shape in (mask.shape, decoded.pixels.shape)]
        raise ShapeError("mask_size", f"is {sizes[0]}, the image {sizes[1]}: export it again")
    return data, mask


def _class_facts(
    regions: list[Region], item: RawItem, config: DataConfig
) -> tuple[Facts, list[str], Fault | None]:
    """Regions, and the label of the largest where neither the file's name nor the reader gave one."""
    facts: Facts = {"regions": [dataclasses.asdict(region) for region in regions]}
    if item.label is not None:
        return facts, _mask_oddities(item, config, marked=bool(regions)), None
    largest = max(regions, key=lambda region: region.area, default=None)
    label = largest.label if largest else config.ok_class
    if label is None:
        return (
            facts,
            [
                "label_missing: the mask is empty, and no ok class is given (--ok-class, data.ok_class)"
            ],
            None,
        )
    source = "mask" if largest else "mask_empty"
    return facts | {"label": label, "label_source": source}, [], None


def _mask_oddities(item: RawItem, config: DataConfig, *, marked: bool) -> list[str]:
    """A mask may be empty and a good part's may not be, but people have to know."""
    sound = item.label == config.ok_class
    if not marked and not sound:
        wanted = (
            "has a class" if item.mask_classes is not None else f"reaches {config.mask_threshold}"
        )
        return [f"mask_empty: no pixel of {shown(item.mask_path)} {wanted}"]
    if marked and sound:
        return [
            f"mask_not_empty: {shown(item.mask_path)} marks a defect, the label is {item.label}"
        ]
    return []


def _without_root(error: ImageError, root: Path) -> str:
    """The sentence alone: the row already says which file."""
    return one_line(str(error).replace(f"{root}{os.sep}", ""))
