"""An image with a grey-level mask beside it, one folder per class: `<class>/Imgs/x.jpg` and `x.png`.

Layout and threshold: Magnetic-tile. A folder `MT_Crack` gives the label `MT_Crack`. The image may have any suffix but
the mask's; where a stem has two candidates the mask is the `.png`.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from inspection.config import DataConfig
from inspection.data.readers.base import RawItem
from inspection.data.readers.files import checked_root, escape_fault, images_below, relative
from inspection.errors import DataError

MASK_SUFFIX = ".png"


def read_mask_pairs(root: Path, config: DataConfig) -> list[RawItem]:
    """One item per image; a mask without its image is listed as `label_without_image`."""
    del config
    root = checked_root(root)
    classes = [f for f in sorted(root.iterdir()) if f.is_dir() and not f.name.startswith(".")]
    if not classes:
        raise DataError(
            f"data.root: '{root}' has no class folders; kind 'mask_pairs' reads "
            "<class>/Imgs/x.jpg with x.png beside it"
        )
    items: list[RawItem] = []
    for folder in classes:
        found = _class_items(folder, root)
        if not any(item.fault is None or item.fault[0] != "label_without_image" for item in found):
            raise DataError(
                f"data.root: class folder '{folder.name}' holds no images; fill it or remove it"
            )
        items += found
    return sorted(items, key=lambda item: item.path)


def _class_items(folder: Path, root: Path) -> list[RawItem]:
    by_stem: dict[Path, list[Path]] = defaultdict(list)
    for path in images_below(folder):
        by_stem[path.with_suffix("")].append(path)
    return [item for paths in by_stem.values() for item in _stem_items(paths, folder.name, root)]


def _stem_items(paths: list[Path], label: str, root: Path) -> list[RawItem]:
    masks = [path for path in paths if path.suffix.lower() == MASK_SUFFIX]
    images = [path for path in paths if path.suffix.lower() != MASK_SUFFIX]
    if not images:
        sentence = f"a mask without its image: no file of this stem but '{masks[0].name}'"
        return [
            RawItem(
                path=relative(masks[0], root),
                label=label,
                label_source="folder",
                fault=("label_without_image", sentence),
            )
        ]
    return [_image_item(path, masks, label, root) for path in images]


def _image_item(path: Path, masks: list[Path], label: str, root: Path) -> RawItem:
    fault = escape_fault(path, root)
    if fault is None and not masks:
        wanted = path.with_suffix(MASK_SUFFIX).name
        fault = ("mask_missing", f"no mask '{wanted}' beside it: add one (all black for no defect)")
    return RawItem(
        path=relative(path, root),
        label=label,
        label_source="folder",
        mask_path=relative(masks[0], root) if masks else None,
        fault=fault,
    )
