"""One folder per class; images that lie directly in the root have no label."""

from __future__ import annotations

from pathlib import Path

from inspection.config import DataConfig
from inspection.data.readers.base import RawItem
from inspection.data.readers.files import checked_root, escape_fault, images_below, relative
from inspection.errors import DataError


def read_folder(root: Path, config: DataConfig) -> list[RawItem]:
    """Label = the first folder below the root, at any depth; an empty class folder is an error."""
    del config
    root = checked_root(root)
    items = [_item(path, root) for path in images_below(root)]
    if not items:
        raise DataError(f"data.root: no image files below '{root}'; is it the right folder?")
    filled = {item.path.split("/")[0] for item in items}
    empty = [
        folder.name
        for folder in sorted(root.iterdir())
        if folder.is_dir() and not folder.name.startswith(".") and folder.name not in filled
    ]
    if empty:
        raise DataError(
            f"data.root: class folder '{empty[0]}' holds no images; fill it or remove it"
            + (f" (also {', '.join(empty[1:])})" if empty[1:] else "")
        )
    return items


def _item(path: Path, root: Path) -> RawItem:
    name = relative(path, root)
    label = name.split("/")[0] if "/" in name else None
    return RawItem(
        path=name,
        label=label,
        label_source="folder" if label else None,
        fault=escape_fault(path, root),
    )
