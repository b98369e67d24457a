"""YOLO: a text file of boxes or polygons for every image, in shares of the image's size.

    data.yaml                     names of the class numbers (or data.class_names)
    images/train/0001.jpg         labels/train/0001.txt; or train/images and train/labels;
    0001.jpg                      or 0001.txt beside the image

Covered: boxes and polygons, also in one file; no label file, or an empty one, means no defect. Not covered: the splits
that `data.yaml` names, key points; images of one stem in one folder share a label file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from inspection.config import DataConfig
from inspection.data.readers.base import RawItem
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
    path_fault,
    relative,
)
from inspection.data.readers.labels import LabelRule
from inspection.data.readers.stated import shown
from inspection.data.readers.yolo_lines import parse_lines
from inspection.data.readers.yolo_names import class_names
from inspection.data.shapes import ShapeError
from inspection.errors import DataError

IMAGES, LABELS = "images", "labels"
NO_LABELS = frozenset({"classes.txt", "names.txt", "train.txt", "val.txt", "test.txt"})
"""Text files that lie among labels and are none; neither is README."""
MAX_LABEL_BYTES = 4_000_000


def read_yolo(root: Path, config: DataConfig) -> list[RawItem]:
    """One item per image, and one `label_without_image` per label file that has none.

    The image's label is the pattern's, or the class with the largest total area, or without objects `data.ok_class`.
    """
    root, rule = checked_root(root), LabelRule(config)
    images = images_below(root)
    if not images:
        raise DataError(f"data.root: no image files below '{root}'; is it the right folder?")
    names = class_names(root, config)
    texts = {path: _label_file(path, root) for path in images}
    if not any(texts.values()):
        raise DataError(
            f"data.root: no label file for any image below '{root}'; kind 'yolo' reads "
            "images/x.jpg with labels/x.txt, or x.jpg with x.txt beside it"
        )
    items = [_item(path, text, root, rule, names, config.ok_class) for path, text in texts.items()]
    used = {text for text in texts.values() if text is not None}
    return sorted([*items, *_orphans(root, images, used)], key=lambda item: item.path)


def label_place(image: PurePosixPath) -> PurePosixPath:
    """Where the label file of an image at this place below the root belongs when all lie in one folder `labels`."""
    parts = image.parts[1:] if image.parts[0] == IMAGES else image.parts
    return PurePosixPath(LABELS, *parts).with_suffix(".txt")


def _label_file(image: Path, root: Path) -> Path | None:
    """The first that is there: `labels` for the last `images` on the way, one folder `labels`, beside the image."""
    place = image.relative_to(root)
    candidates = [root / label_place(PurePosixPath(place)), image.with_suffix(".txt")]
    folders = list(place.parent.parts)
    if IMAGES in folders:
        last = len(folders) - 1 - folders[::-1].index(IMAGES)
        mirrored = Path(root, *folders[:last], LABELS, *folders[last + 1 :], place.name)
        candidates.insert(0, mirrored.with_suffix(".txt"))
    return next((path for path in candidates if path.is_file() or path.is_symlink()), None)


def _item(
    path: Path,
    text: Path | None,
    root: Path,
    rule: LabelRule,
    names: Mapping[int, str],
    ok_class: str | None,
) -> RawItem:
    name = relative(path, root)
    fault = path_fault(path, root) or (path_fault(text, root) if text else None)
    if fault is not None:
        return RawItem(path=name, fault=fault)
    drawn, fault = _read(text, names) if text else ([], None)
    if fault is not None:
        return RawItem(path=name, fault=fault)
    label = rule.label(path.stem, main_class(drawn) or ok_class, label_source(drawn))
    unnamed = ("class_unnamed: class numbers serve as names, give --class-name (data.class_names)",)
    return RawItem(
        path=name,
        label=label.name,
        label_source=label.source,
        boxes=boxes_in(drawn),
        shapes=shapes_in(drawn),
        relative=True,
        fault=label.fault or (_nothing_drawn(path) if label.name is None else None),
        warnings=(unnamed if drawn and not names else ()) + strangers(drawn, label.name),
    )


def _read(text: Path, names: Mapping[int, str]) -> tuple[list[Drawn], Fault | None]:
    try:
        if not text.is_file():
            raise ValueError("it is missing, or no regular file")
        if (size := text.stat().st_size) > MAX_LABEL_BYTES:
            raise ValueError(f"{size} bytes, the limit is {MAX_LABEL_BYTES}")
        return parse_lines(text.read_bytes(), names), None
    except ShapeError as error:
        return [], (error.code, f"{shown(text.name)} {error}: draw it again or remove it")
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        sentence = f"{shown(text.name)} cannot be read ({reason}): mend the label file"
        return [], ("annotation_unreadable", sentence)


def _nothing_drawn(path: Path) -> Fault:
    sentence = (
        f"no objects in {shown(f'{path.stem}.txt')}, or no such file: give --ok-class "
        "(data.ok_class), the label of images without defects"
    )
    return "annotation_missing", sentence


def _orphans(root: Path, images: list[Path], used: set[Path]) -> list[RawItem]:
    """Text files in folders for labels, or among images, that no image asked for."""
    folders = {path.parent for path in images}
    return [
        RawItem(path=relative(path, root), fault=_orphan(path))
        for path in images_below(root, {".txt"})
        if path not in used
        and (path.parent in folders or LABELS in path.relative_to(root).parent.parts)
        and path.name.lower() not in NO_LABELS
        and not path.name.lower().startswith("readme")
    ]


def _orphan(path: Path) -> Fault:
    sentence = f"{shown(path.name)} labels no image that is here: add the image or remove the file"
    return "label_without_image", sentence
