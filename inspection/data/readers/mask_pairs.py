"""An image with a grey-level mask beside it, one folder per class: `<class>/Imgs/x.jpg` and `x.png`.

Layout and threshold: Magnetic-tile. A folder `MT_Crack` gives the label `MT_Crack`. The image may have any suffix but
the mask's: a PNG without another image of its stem is taken for a mask that has lost its image.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from inspection.config import DataConfig
from inspection.data.readers.base import RawItem
from inspection.data.readers.files import (
    Fault,
    checked_root,
    class_folders,
    images_below,
    images_in,
    path_fault,
    relative,
)
from inspection.data.readers.folder import STRAY, empty_class
from inspection.data.readers.labels import Label, LabelRule
from inspection.data.readers.stated import shown
from inspection.errors import DataError

MASK_SUFFIX = ".png"


def read_mask_pairs(root: Path, config: DataConfig) -> list[RawItem]:
    """One item per image; a mask without its image is listed as `label_without_image`."""
    root, rule = checked_root(root), LabelRule(config)
    folders = class_folders(root)
    if not folders:
        raise DataError(
            f"data.root: '{root}' has no class folders; kind 'mask_pairs' reads "
            "<class>/Imgs/x.jpg with x.png beside it"
        )
    found = {folder.name: images_below(folder) for folder in folders}
    if empty := [name for name, paths in found.items() if not any(map(_is_image, paths))]:
        raise DataError(empty_class(empty))
    items = [RawItem(path=relative(path, root), warnings=(STRAY,)) for path in images_in(root)]
    for name, paths in found.items():
        items += _class_items(paths, name, root, rule)
    return sorted(items, key=lambda item: item.path)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() != MASK_SUFFIX


def _class_items(paths: list[Path], folder: str, root: Path, rule: LabelRule) -> list[RawItem]:
    by_stem: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        by_stem[path.with_suffix("")].append(path)
    items = []
    for stem, mates in by_stem.items():
        label = rule.label(stem.name, folder, "folder")
        masks = [path for path in mates if not _is_image(path)]
        images = [path for path in mates if _is_image(path)]
        items += [_image_item(path, masks, label, root) for path in images]
        items += [_lost_mask(path, label, root) for path in masks if not images]
    return items


def _lost_mask(mask: Path, label: Label, root: Path) -> RawItem:
    sentence = f"a mask without its image: {shown(mask.stem)} has no other file; add the image"
    return RawItem(
        path=relative(mask, root),
        label=label.name,
        label_source=label.source,
        fault=("label_without_image", sentence),
    )


def _image_item(path: Path, masks: list[Path], label: Label, root: Path) -> RawItem:
    return RawItem(
        path=relative(path, root),
        label=label.name,
        label_source=label.source,
        mask_path=relative(masks[0], root) if masks else None,
        fault=path_fault(path, root) or label.fault or _mask_fault(path, masks, root),
    )


def _mask_fault(path: Path, masks: list[Path], root: Path) -> Fault | None:
    if masks:
        return path_fault(masks[0], root)
    wanted = path.with_suffix(MASK_SUFFIX).name
    return "mask_missing", f"no mask {shown(wanted)} beside it: add one (all black for no defect)"
