"""COCO: one JSON file of images, categories and annotations, and the images beside it.

    instances_train.json      or annotations/instances_train.json, or what data.annotations names
    images/0001.jpg           or train/0001.jpg, or 0001.jpg, as far as `file_name` goes

Covered: boxes, polygons, run lengths (as lists and as compressed text); the size that the file states; a file that
contradicts itself is an error, one image's fault is that image's. Not covered: key points, captions, panoptic files;
images outside the folders of the listed ones (another split's) are passed over.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from inspection.config import DataConfig
from inspection.data.readers.annotation_file import inside, named_file, read_limited
from inspection.data.readers.base import RawItem
from inspection.data.readers.coco_document import Entry, looks_like_coco, parse_document
from inspection.data.readers.coco_shapes import Size, drawn_of, mask_size
from inspection.data.readers.drawn import (
    Drawn,
    boxes_in,
    label_source,
    main_class,
    shapes_in,
    strangers,
)
from inspection.data.readers.files import (
    Fault,
    checked_root,
    images_below,
    leads_out,
    path_fault,
    relative,
)
from inspection.data.readers.labels import LabelRule
from inspection.data.readers.stated import number, shown
from inspection.data.shapes import ShapeError
from inspection.errors import DataError

MAX_JSON_BYTES = 2_000_000_000
"""Read as a whole; Python needs about fifteen times as much memory."""


def read_coco(root: Path, config: DataConfig) -> list[RawItem]:
    """One item per listed image, and per image beside them that the file does not list.

    The image's label is the pattern's, or the file's own `label` of the image, or the class with the largest total
    area, or for an image without annotations `data.ok_class`.
    """
    root, rule = checked_root(root), LabelRule(config)
    file = _annotation_file(root, config.annotations)
    entries = _entries(file)
    bases = _bases(root, file)
    places: dict[str, list[Entry]] = defaultdict(list)
    found: dict[str, Path] = {}
    for entry in entries:
        path = _place(entry.file_name, bases)
        name = _row_name(entry, path, root, file)
        places[name].append(entry)
        if path is not None:
            found[name] = path
    if not found:
        raise DataError(
            f"data.root: no image that {shown(file.name)} lists ({len(entries)}) is below '{root}'; "
            "is it the right folder?"
        )
    items = [
        _item(name, found.get(name), entries, root, rule, config.ok_class)
        for name, entries in places.items()
    ]
    return sorted([*items, *_unlisted(found.values(), root, file)], key=lambda item: item.path)


def _annotation_file(root: Path, given: Path | None) -> Path:
    if given is not None:
        return named_file(root, given)
    found = [
        inside(root, path)
        for folder in (root, root / "annotations")
        for path in sorted(folder.glob("*.json"))
        if path.is_file() and not path.name.startswith(".")
    ]
    if len(found) > 1:
        found = [path for path in found if looks_like_coco(read_limited(path, MAX_JSON_BYTES))]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(shown(relative(path, root)) for path in found)
        raise DataError(f"data.annotations: several COCO files ({names}); name the one to read")
    raise DataError(
        f"data.root: no COCO file (*.json) in '{root}' or its folder annotations; "
        "add it or give data.annotations"
    )


def _entries(file: Path) -> list[Entry]:
    data = read_limited(file, MAX_JSON_BYTES)
    try:
        return parse_document(data)
    except ValueError as error:
        raise DataError(
            f"data.annotations: {shown(file.name)} {error}; export the file again"
        ) from error


def _bases(root: Path, file: Path) -> list[Path]:
    """Where `file_name` may begin: `instances_train2017.json` speaks of the folder `train2017`."""
    split = file.stem.rpartition("_")[2]
    images = root / "images"
    return [root, images, root / split, images / split, file.parent]


def _place(name: str, bases: list[Path]) -> Path | None:
    """The first file of that name; a link that leads nowhere is one, and its own fault."""
    if leads_out(name):
        return None
    for spelt in dict.fromkeys((name, name.replace("\\", "/"))):
        for base in bases:
            path = base / spelt
            # os.path, because Path raises for names no disk can hold.
            if os.path.lexists(path) and not os.path.isdir(path):  # noqa: PTH112
                return path
    return None


def _row_name(entry: Entry, path: Path | None, root: Path, file: Path) -> str:
    """The row's path; for a name that leads outside, the entry's place in the file: nobody may open the name."""
    if path is not None:
        return relative(path, root)
    if leads_out(entry.file_name):
        return f"{relative(file, root)}#{entry.id}"
    return PurePosixPath(entry.file_name).as_posix().encode("utf-8", "backslashreplace").decode()


def _item(
    name: str,
    path: Path | None,
    entries: list[Entry],
    root: Path,
    rule: LabelRule,
    ok_class: str | None,
) -> RawItem:
    entry = entries[0]
    fault = _entry_fault(path, entries) or (path_fault(path, root) if path else None)
    if fault is not None:
        return RawItem(path=name, fault=fault)
    try:
        drawn, size = _drawn(entry)
    except ValueError as error:
        code = error.code if isinstance(error, ShapeError) else "annotation_unreadable"
        return RawItem(path=name, fault=(code, f"{error}: mend the annotation"))
    own, source = entry.label, "image"
    if own is None:
        own, source = main_class(drawn) or ok_class, label_source(drawn)
    label = rule.label(PurePosixPath(name).stem, own, source)
    return RawItem(
        path=name,
        label=label.name,
        label_source=label.source,
        boxes=boxes_in(drawn),
        shapes=shapes_in(drawn),
        stated_size=size,
        fault=label.fault,
        warnings=strangers(drawn, label.name),
    )


def _entry_fault(path: Path | None, entries: list[Entry]) -> Fault | None:
    name = shown(entries[0].file_name)
    if leads_out(entries[0].file_name):
        return "path_escapes_root", f"{name} leads outside the image folder: name a place below it"
    if path is None:
        sentence = f"{name} is listed and not there: add it or remove its entry"
        return "label_without_image", sentence
    if len(entries) > 1:
        sentence = f"{name} is listed {len(entries)} times, with annotations each: join the entries"
        return "listed_twice", sentence
    return None


def _drawn(entry: Entry) -> tuple[list[Drawn], Size | None]:
    """The objects, and the size of the image they were drawn on where anything states it."""
    drawn, size = [], _stated_size(entry)
    for annotation in entry.annotations:
        try:
            other = mask_size(annotation.stated)
            drawn.append(drawn_of(annotation.stated, annotation.label))
        except ShapeError as error:
            raise ShapeError(error.code, f"{annotation.where}: {error}") from error
        except ValueError as error:
            raise ValueError(f"{annotation.where}: {error}") from error
        if size is not None and other is not None and other != size:
            sizes = f"{other[0]} x {other[1]} px, the image is stated as {size[0]} x {size[1]}"
            raise ShapeError("annotation_size", f"{annotation.where}: drawn on {sizes}")
        size = size or other
    return drawn, size


def _stated_size(entry: Entry) -> Size | None:
    """None where it is not given, or given as 0 by tools that did not look."""
    width, height = (
        number(0 if (side := entry.stated.get(name)) is None else side, name)
        for name in ("width", "height")
    )
    if width < 0 or height < 0:
        raise ValueError(f"the image is stated as {width:g} x {height:g} px")
    return (int(width), int(height)) if width and height else None


def _unlisted(found: Iterable[Path], root: Path, file: Path) -> list[RawItem]:
    """Images in the folder that holds all the listed ones."""
    listed = set(found)
    folder = Path(os.path.commonpath([path.parent for path in listed]))
    sentence = f"{shown(file.name)} does not list it: add an entry, or remove the image"
    return [
        RawItem(
            path=relative(path, root),
            fault=path_fault(path, root) or ("annotation_missing", sentence),
        )
        for path in images_below(folder)
        if path not in listed
    ]
