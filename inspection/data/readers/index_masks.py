"""Masks of class numbers: `images/` and, under the same relative name, `masks/` (or `annotations/`).

Covered: any depth of folders, PNG, TIFF and BMP masks. The numbers are read when the image is opened
(`inspection/data/class_masks.py`), and with them the label. Not covered: names with a suffix (`x_mask.png`), several
masks per image.
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
    path_fault,
    relative,
)
from inspection.data.readers.labels import LabelRule
from inspection.data.readers.stated import shown
from inspection.errors import DataError

IMAGE_FOLDERS = ("images",)
MASK_FOLDERS = ("masks", "annotations")
Masks = dict[Path, list[Path]]
"""Mask files by their place below the folder, without suffix."""


def read_index_masks(root: Path, config: DataConfig) -> list[RawItem]:
    """One item per image; a mask without its image is listed as `label_without_image`."""
    root, rule = checked_root(root), LabelRule(config)
    folder, mask_folder = _folder(root, IMAGE_FOLDERS), _folder(root, MASK_FOLDERS)
    images = images_below(folder)
    if not images:
        raise DataError(f"data.root: no image files in '{folder}'; is it the right folder?")
    masks: Masks = defaultdict(list)
    for path in images_below(mask_folder):
        masks[path.relative_to(mask_folder).with_suffix("")].append(path)
    places = {path: path.relative_to(folder).with_suffix("") for path in images}
    items = [_item(path, masks.get(places[path], []), root, rule, config) for path in images]
    unused = sorted(set(masks) - set(places.values()))
    items += [_orphan(path, root) for place in unused for path in masks[place]]
    return sorted(items, key=lambda item: item.path)


def _folder(root: Path, names: tuple[str, ...]) -> Path:
    """The first of these names that is a folder with image files, in any case."""
    folders = {folder.name.lower(): folder for folder in class_folders(root)}
    found = [folders[name] for name in names if name in folders]
    # Sets with boxes and masks have both folders; XML files are no masks.
    filled = [folder for folder in found if images_below(folder)]
    if not found:
        raise DataError(
            f"data.root: '{root}' has no folder {' or '.join(names)}; kind 'index_masks' reads "
            "images/x.jpg with masks/x.png"
        )
    return (filled or found)[0]


def _item(
    path: Path, masks: list[Path], root: Path, rule: LabelRule, config: DataConfig
) -> RawItem:
    label = rule.label(path.stem, None, "mask")
    return RawItem(
        path=relative(path, root),
        label=label.name,
        label_source=label.source,
        mask_path=relative(masks[0], root) if masks else None,
        mask_classes=config.class_names,
        fault=path_fault(path, root) or label.fault or _mask_fault(path, masks, root),
    )


def _mask_fault(path: Path, masks: list[Path], root: Path) -> Fault | None:
    if not masks:
        return "mask_missing", f"no mask {shown(f'{path.stem}.png')}: add one (all 0 for no defect)"
    if len(masks) > 1:
        names = ", ".join(shown(mask.name) for mask in masks[:3])
        return "mask_ambiguous", f"{len(masks)} masks ({names}): keep one"
    return path_fault(masks[0], root)


def _orphan(mask: Path, root: Path) -> RawItem:
    sentence = f"a mask without its image: no image of the name {shown(mask.stem)}; add it"
    return RawItem(path=relative(mask, root), fault=("label_without_image", sentence))
