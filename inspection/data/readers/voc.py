"""Pascal VOC: `images/` or `JPEGImages/`, and one XML file of boxes per image in `annotations/` or `Annotations/`.

Covered: boxes with names; the size that the XML states is checked against the image later. Not covered: parts,
`difficult` and `truncated` flags, masks.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path

from inspection.config import DataConfig
from inspection.data.readers.base import IMAGE_SUFFIXES, Box, RawItem
from inspection.data.readers.files import (
    checked_root,
    escape_fault,
    images_below,
    relative,
)
from inspection.errors import DataError

IMAGE_FOLDERS = ("images", "JPEGImages")
ANNOTATION_FOLDERS = ("annotations", "Annotations")
MAX_XML_BYTES = 4_000_000


def read_voc(root: Path, config: DataConfig) -> list[RawItem]:
    """One item per image, and one `label_without_image` per annotation that has none."""
    root = checked_root(root)
    images = _folder(root, IMAGE_FOLDERS)
    annotations = _folder(root, ANNOTATION_FOLDERS)
    by_stem = {path.stem: path for path in sorted(annotations.rglob("*.xml"))}
    items = [
        _item(path, by_stem.pop(path.stem, None), root, config) for path in images_below(images)
    ]
    if not items:
        raise DataError(f"data.root: no image files in '{images}'; is it the right folder?")
    orphans = [_orphan(path, root) for path in by_stem.values()]
    return sorted([*items, *orphans], key=lambda item: item.path)


def _folder(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise DataError(
        f"data.root: '{root}' has no folder {' or '.join(names)}; kind 'voc' reads "
        "images/*.jpg with annotations/*.xml"
    )


def _orphan(path: Path, root: Path) -> RawItem:
    sentence = f"'{path.name}' describes an image that is not there: add it or remove the XML"
    return RawItem(path=relative(path, root), fault=("label_without_image", sentence))


def _item(path: Path, annotation: Path | None, root: Path, config: DataConfig) -> RawItem:
    name, fault = relative(path, root), escape_fault(path, root)
    if annotation is None:
        sentence = f"no annotation '{path.stem}.xml': add one, or remove the image"
        return RawItem(path=name, fault=fault or ("annotation_missing", sentence))
    try:
        boxes = parse_boxes(annotation)
        fault = fault or _named_outside(annotation, root)
    except (ValueError, ElementTree.ParseError, OSError) as error:
        sentence = f"'{annotation.name}' cannot be read ({error}): mend the XML"
        return RawItem(path=name, fault=fault or ("annotation_unreadable", sentence))
    label, source = image_label(path.stem, boxes, config.label_pattern)
    others = sorted({box.label for box in boxes} - {label})
    warnings = (f"box_label_differs: labelled {label}, holds boxes of {', '.join(others)}",)
    return RawItem(
        path=name,
        label=label,
        label_source=source,
        boxes=boxes,
        fault=fault,
        warnings=warnings if others and label is not None else (),
    )


def image_label(
    stem: str, boxes: tuple[Box, ...], pattern: str | None
) -> tuple[str | None, str | None]:
    """The image's class and where it came from: the pattern's group, else the class with the largest total box area."""
    if pattern is not None:
        match = re.search(pattern, stem)
        return (match.group(1), "filename") if match else (None, None)
    areas: dict[str, float] = defaultdict(float)
    for box in boxes:
        areas[box.label] += box.area
    if not areas:
        return None, None
    return max(sorted(areas), key=areas.__getitem__), "box"


def parse_boxes(annotation: Path) -> tuple[Box, ...]:
    """Boxes as stated; ValueError for missing or non-numeric corners, or a document that is no VOC annotation."""
    text = annotation.read_bytes()
    if len(text) > MAX_XML_BYTES:
        raise ValueError(f"{len(text)} bytes, the limit is {MAX_XML_BYTES}")
    if b"<!ENTITY" in text or b"<!DOCTYPE" in text:
        raise ValueError("declares entities, which no annotation needs")
    document = ElementTree.fromstring(text)
    return tuple(_box(element) for element in document.iter("object"))


def _box(element: ElementTree.Element) -> Box:
    label = (element.findtext("name") or "").strip()
    if not label:
        raise ValueError("an object without a name")
    x0, y0, x1, y1 = (_number(element, f"bndbox/{n}") for n in ("xmin", "ymin", "xmax", "ymax"))
    return Box(x0, y0, x1, y1, label)


def _number(element: ElementTree.Element, where: str) -> float:
    text = element.findtext(where)
    if text is None:
        raise ValueError(f"an object without {where}")
    value = float(text.strip())
    if not math.isfinite(value):
        raise ValueError(f"{where} is {text.strip()}")
    return value


def _named_outside(annotation: Path, root: Path) -> tuple[str, str] | None:
    """The file that the XML names must not lead out of the root (it is matched by stem, never opened by this name)."""
    named = (ElementTree.parse(annotation).findtext("filename") or "").strip()
    if Path(named).suffix.lower() in IMAGE_SUFFIXES and (
        named.startswith(("/", "\\")) or ".." in Path(named.replace("\\", "/")).parts
    ):
        return (
            "path_escapes_root",
            f"'{annotation.name}' names '{named}', outside data.root: name the file alone",
        )
    del root
    return None
