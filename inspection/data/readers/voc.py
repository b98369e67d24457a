"""Pascal VOC: `images/` or `JPEGImages/`, and one XML file of boxes per image in `annotations/`, in any case.

Covered: boxes with names, corners as they are stated (some tools count pixels from 0, some from 1: at most one pixel
apart); the size that the XML states. Not covered: parts, `difficult` and `truncated` flags, masks.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from inspection.config import DataConfig
from inspection.data.readers.base import IMAGE_SUFFIXES, Box, RawItem
from inspection.data.readers.drawn import Drawn, main_class, strangers
from inspection.data.readers.files import (
    Fault,
    checked_root,
    class_folders,
    images_below,
    path_fault,
    relative,
)
from inspection.data.readers.labels import LabelRule
from inspection.data.readers.stated import class_name, number, one_line, shown
from inspection.errors import DataError

IMAGE_FOLDERS = ("images", "jpegimages")
ANNOTATION_FOLDERS = ("annotations",)
"""In any case: published sets write IMAGES, JPEGImages, Annotations, ANNOTATIONS."""
MAX_XML_BYTES = 4_000_000


@dataclass(frozen=True)
class Annotation:
    """What one XML file says: boxes, the image's (width, height) and file name, where given."""

    boxes: tuple[Box, ...]
    size: tuple[int, int] | None
    named: str


def read_voc(root: Path, config: DataConfig) -> list[RawItem]:
    """One item per image, and one `label_without_image` per annotation that has none.

    The image's label is the pattern's, or the class with the largest total box area, or for an annotation without
    boxes `data.ok_class`.
    """
    root, rule = checked_root(root), LabelRule(config)
    folder = _folder(root, IMAGE_FOLDERS)
    images = images_below(folder)
    if not images:
        raise DataError(f"data.root: no image files in '{folder}'; is it the right folder?")
    annotations = _Annotations(_folder(root, ANNOTATION_FOLDERS))
    items = []
    for path in images:
        xml = annotations.of(path.relative_to(folder))
        items.append(_item(path, xml, root, rule, config.ok_class))
    orphans = [_orphan(path, root) for path in annotations.unused()]
    return sorted([*items, *orphans], key=lambda item: item.path)


class _Annotations:
    """XML files by their place below the folder: the image's place, or in a flat folder its stem."""

    def __init__(self, folder: Path) -> None:
        self.paths = {
            path.relative_to(folder).with_suffix(""): path
            for path in images_below(folder, {".xml"})
        }
        self.used: set[Path] = set()

    def of(self, image: Path) -> Path | None:
        """The annotation of the image at this place below its own folder."""
        for key in (image.with_suffix(""), Path(image.stem)):
            if key in self.paths:
                self.used.add(key)
                return self.paths[key]
        return None

    def unused(self) -> list[Path]:
        """Annotations that no image asked for."""
        return [path for key, path in self.paths.items() if key not in self.used]


def _folder(root: Path, names: tuple[str, ...]) -> Path:
    for folder in class_folders(root):
        if folder.name.lower() in names:
            return folder
    raise DataError(
        f"data.root: '{root}' has no folder {' or '.join(names)}; kind 'voc' reads "
        "images/*.jpg with annotations/*.xml"
    )


def _orphan(path: Path, root: Path) -> RawItem:
    sentence = f"{shown(path.name)} describes an image that is not there: add it or remove the XML"
    return RawItem(path=relative(path, root), fault=("label_without_image", sentence))


def _item(
    path: Path, xml: Path | None, root: Path, rule: LabelRule, ok_class: str | None
) -> RawItem:
    name = relative(path, root)
    fault = path_fault(path, root) or (path_fault(xml, root) if xml else _missing(path))
    if xml is None or fault is not None:
        return RawItem(path=name, fault=fault)
    try:
        said = parse_annotation(xml)
    except (ValueError, LookupError, ElementTree.ParseError, OSError) as error:
        sentence = f"{shown(xml.name)} cannot be read ({_reason(error)}): mend the XML"
        return RawItem(path=name, fault=("annotation_unreadable", sentence))
    drawn = [Drawn(box.label, box) for box in said.boxes]
    main = main_class(drawn) or ok_class
    label = rule.label(path.stem, main, "box" if said.boxes else "no_boxes")
    return RawItem(
        path=name,
        label=label.name,
        label_source=label.source,
        boxes=said.boxes,
        stated_size=said.size,
        fault=_named_outside(said, xml) or label.fault,
        warnings=strangers(drawn, label.name),
    )


def _reason(error: Exception) -> str:
    """Without the machine's path, which the system's own sentences hold."""
    return one_line(error.strerror if isinstance(error, OSError) else error)


def _missing(path: Path) -> Fault:
    return (
        "annotation_missing",
        f"no annotation {shown(f'{path.stem}.xml')}: add one, or remove the image",
    )


def parse_annotation(xml: Path) -> Annotation:
    """What the XML states; ValueError for missing or non-numeric corners, or what no annotation needs."""
    if not xml.is_file():
        raise ValueError("it is missing, or no regular file")
    if (size := xml.stat().st_size) > MAX_XML_BYTES:
        raise ValueError(f"{size} bytes, the limit is {MAX_XML_BYTES}")
    text = xml.read_bytes()
    # An entity can name itself a billion times; zero bytes are dropped to see through UTF-16.
    if any(word in text.replace(b"\0", b"") for word in (b"<!ENTITY", b"<!DOCTYPE")):
        raise ValueError("declares entities, which no annotation needs")
    document = ElementTree.fromstring(text)
    boxes = tuple(_box(element) for element in document.iter("object"))
    return Annotation(boxes, _size(document), (document.findtext("filename") or "").strip())


def _size(document: ElementTree.Element) -> tuple[int, int] | None:
    """None where it is not given, or given as 0 by tools that did not look."""
    texts = [document.findtext(f"size/{name}") for name in ("width", "height")]
    width, height = (_float(text, "size") if text and text.strip() else 0.0 for text in texts)
    known = 0 < width < math.inf and 0 < height < math.inf
    return (int(number(width, "size")), int(number(height, "size"))) if known else None


def _box(element: ElementTree.Element) -> Box:
    label = class_name(element.findtext("name") or "", "an object's name")
    x0, y0, x1, y1 = (_number(element, f"bndbox/{n}") for n in ("xmin", "ymin", "xmax", "ymax"))
    return Box(x0, y0, x1, y1, label)


def _number(element: ElementTree.Element, where: str) -> float:
    text = element.findtext(where)
    if text is None:
        raise ValueError(f"an object without {where}")
    return number(_float(text, where), where)


def _float(text: str, where: str) -> float:
    try:
        if "_" in text:
            raise ValueError("Python's own spelling of thousands")
        return float(text)
    except ValueError as error:
        remedy = ", write it with a point" if "," in text else ""
        raise ValueError(f"{where} is {shown(text.strip())}, not a number{remedy}") from error


def _named_outside(said: Annotation, xml: Path) -> Fault | None:
    """The name must not lead out of the root, though images are matched by stem and never opened by it."""
    named = Path(said.named.replace("\\", "/"))
    leads_out = named.is_absolute() or ".." in named.parts
    if not leads_out or named.suffix.lower() not in IMAGE_SUFFIXES:
        return None
    sentence = (
        f"{shown(xml.name)} names {shown(said.named)}, outside data.root: name the file alone"
    )
    return "path_escapes_root", sentence
