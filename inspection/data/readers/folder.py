"""One folder per class; images that lie directly in the root have no label.

A flat folder is therefore an unlabelled set: it can be checked and predicted, not trained on.
"""

from __future__ import annotations

from pathlib import Path

from inspection.config import DataConfig
from inspection.data.readers.base import RawItem
from inspection.data.readers.files import (
    checked_root,
    class_folders,
    images_below,
    path_fault,
    refuse_splits,
    relative,
)
from inspection.data.readers.labels import LabelRule
from inspection.data.readers.stated import shown
from inspection.errors import DataError

STRAY = "label_missing: lies beside the class folders, so nothing says what it shows"


def read_folder(root: Path, config: DataConfig) -> list[RawItem]:
    """Label = the first folder below the root, at any depth; an empty class folder is an error."""
    root, rule = checked_root(root), LabelRule(config)
    paths = images_below(root)
    if not paths:
        raise DataError(f"data.root: no image files below '{root}'; is it the right folder?")
    refuse_splits(root)
    folders = class_folders(root)
    filled = {path.relative_to(root).parts[0] for path in paths}
    if empty := [folder.name for folder in folders if folder.name not in filled]:
        raise DataError(empty_class(empty))
    return [_item(path, root, rule, labelled=bool(folders)) for path in paths]


def empty_class(names: list[str]) -> str:
    """The sentence for class folders without images."""
    also = f" (also {', '.join(map(shown, names[1:]))})" if names[1:] else ""
    return f"data.root: class folder {shown(names[0])} holds no images; fill it or remove it{also}"


def _item(path: Path, root: Path, rule: LabelRule, *, labelled: bool) -> RawItem:
    name = relative(path, root)
    label = rule.label(path.stem, name.split("/")[0] if "/" in name else None, "folder")
    stray = labelled and label.name is None and label.fault is None
    return RawItem(
        path=name,
        label=label.name,
        label_source=label.source,
        fault=path_fault(path, root) or label.fault,
        warnings=(STRAY,) if stray else (),
    )
