"""One folder per class, in the root or in each of somebody's splits; images beside class folders have no label.

A flat folder is therefore a set without labels: it can be checked and predicted, not trained on. A folder that
`data.unlabelled` names is no class. `train/<class>`,
`val/<class>` and so on are read as they lie: the paths go on telling the split (`inspection/data/own_split.py`), and a
run keeps it only when it is asked to.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from inspection.config import DataConfig
from inspection.data.own_split import split_of
from inspection.data.readers.base import RawItem
from inspection.data.readers.files import (
    checked_root,
    class_folders,
    images_below,
    path_fault,
    relative,
)
from inspection.data.readers.labels import LabelRule
from inspection.data.readers.stated import shown
from inspection.data.readers.unlabelled import named_unlabelled
from inspection.errors import DataError

STRAY = "label_missing: lies beside the class folders, so nothing says what it shows"


def read_folder(root: Path, config: DataConfig) -> list[RawItem]:
    """Label = the first folder below the root, or below its split, at any depth; an empty class folder is an error."""
    root, rule = checked_root(root), LabelRule(config)
    found = images_below(root)
    paths = [path for path in found if not named_unlabelled(relative(path, root), config)]
    if not paths:
        left = "data.unlabelled names all images" if found else "no image files"
        raise DataError(f"data.root: {left} below '{root}'; is it the right folder?")
    # A folder of unlabelled images alone is no class, and no split either.
    passed = _above({*found} - {*paths}) - _above(paths)
    depth = int(_is_split(root, passed))
    folders = _classes(root, passed, split=depth > 0)
    filled = {path.relative_to(root).parts[depth] for path in paths}
    if empty := sorted({folder.name for folder in folders} - filled):
        raise DataError(empty_class(empty))
    return [_item(path, root, rule, depth, labelled=bool(folders)) for path in paths]


def _above(paths: Collection[Path]) -> set[Path]:
    return {folder for path in paths for folder in path.parents}


def _is_split(root: Path, passed: Collection[Path]) -> bool:
    """Whether the folders below the root are somebody's splits; DataError when only some of them are."""
    names = [folder.name for folder in class_folders(root) if folder not in passed]
    splits = [name for name in names if split_of(f"{name}/image")]
    if splits and len(splits) < len(names):
        other = next(name for name in names if name not in splits)
        raise DataError(
            f"data.root: {shown(splits[0])} is the name of a split and lies beside {shown(other)}, which is none; put "
            "every class into train/<class>, val/<class> or test/<class>, or rename a class that is called like a split"
        )
    return bool(splits)


def _classes(root: Path, passed: Collection[Path], *, split: bool) -> list[Path]:
    """Class folders of the root, or of all its splits: a class may be missing in some of them."""
    folders = class_folders(root)
    if split:
        folders = [each for folder in folders for each in class_folders(folder)]
    return [folder for folder in folders if folder not in passed]


def empty_class(names: list[str]) -> str:
    """The sentence for class folders without images."""
    also = f" (also {', '.join(map(shown, names[1:]))})" if names[1:] else ""
    return f"data.root: class folder {shown(names[0])} holds no images; fill it or remove it{also}"


def _item(path: Path, root: Path, rule: LabelRule, depth: int, *, labelled: bool) -> RawItem:
    name = relative(path, root)
    folders = name.split("/")[depth:-1]
    label = rule.label(path.stem, folders[0] if folders else None, "folder", path=name)
    stray = labelled and label.name is None and label.fault is None
    return RawItem(
        path=name,
        label=label.name,
        label_source=label.source,
        fault=path_fault(path, root) or label.fault,
        warnings=(STRAY,) if stray else (),
    )
