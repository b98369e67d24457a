"""Which reader a folder is made for, from the names of its files; nothing is opened but the first line of tables.

Covered: the layouts of every reader, by what tells them apart. Not covered: folders that fit none, or only by their
content (a folder of masks of class numbers looks like VOC without XML): the kind has to be given then.
"""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

from inspection.data.readers.base import IMAGE_SUFFIXES
from inspection.data.readers.files import checked_root
from inspection.data.readers.stated import one_line, shown
from inspection.errors import DataError

LOOKED_AT = 5_000
"""Files after which a layout has shown itself."""
HEAD = 16_384
WITHOUT_FILE = ("folder", "mask_pairs", "index_masks")
"""Kinds that take everything from the names of files: an annotation file beside them is not looked at."""
TOLD = 5
"""Files that are passed over and named."""

Names = list[Path]


def guess_kind(root: Path) -> str:
    """The kind whose layout the folder has; DataError when it has none."""
    root = checked_root(root)
    files = (path for path in root.rglob("*") if path.suffix)
    names = list(itertools.islice(files, LOOKED_AT))
    for kind, fits in LAYOUTS.items():
        if fits(root, names):
            return kind
    raise DataError(
        f"'{root}' does not look like any layout that is known: name it with --kind ({', '.join(LAYOUTS)})"
    )


def passed_over(root: Path, kind: str) -> list[str]:
    """A sentence about each file that looks like annotations where `kind` reads none, and why it tells nothing."""
    if kind not in WITHOUT_FILE:
        return []
    places = [root, *(root / name for name in ("annotations", "labels"))]
    files = [path for place in places if place.is_dir() for path in sorted(place.iterdir())]
    found = [path for path in files if path.suffix.lower() in (".json", ".csv", ".tsv")]
    said = [
        f"{shown(path.relative_to(root).as_posix())} looks like an annotation file and was not used: {_why(path)}"
        for path in found[:TOLD]
    ]
    more = len(found) - TOLD
    return [*said, f"{more} more files like these were not used"] if more > 0 else said


def _why(path: Path) -> str:
    """What keeps the guess from taking this file."""
    try:
        with path.open("rb") as stream:
            data = stream.read(HEAD)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if not data.strip():
        return "it is empty"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data:
        return "it is no UTF-8 text; save it as UTF-8"
    if path.suffix.lower() == ".json":
        return "no COCO file, which has 'images' and 'annotations'"
    first = one_line(data.decode("utf-8", "replace").partition("\n")[0])
    return f"a manifest needs a column 'path', and its first line is {shown(first)}"


def _severstal(_: Path, names: Names) -> bool:
    return any("EncodedPixels" in _head(path) for path in names if path.suffix.lower() == ".csv")


def _template_pairs(_: Path, names: Names) -> bool:
    stems = {path.stem for path in names}
    return any(stem.endswith("_temp") and f"{stem[:-5]}_test" in stems for stem in stems)


def _voc(_: Path, names: Names) -> bool:
    return any(path.suffix.lower() == ".xml" for path in names)


def _coco(_: Path, names: Names) -> bool:
    json = [path for path in names if path.suffix.lower() == ".json"]
    return any('"images"' in _head(path) or '"annotations"' in _head(path) for path in json)


def _yolo(root: Path, names: Names) -> bool:
    if (root / "data.yaml").is_file():
        return True
    images = {path.stem for path in names if path.suffix.lower() in IMAGE_SUFFIXES}
    texts = [path for path in names if path.suffix.lower() == ".txt" and path.stem in images]
    return any(path.parent.name == "labels" or _is_yolo_line(_head(path)) for path in texts)


def _is_yolo_line(text: str) -> bool:
    words = text.partition("\n")[0].split()
    try:
        return len(words) >= 5 and words[0].isdigit() and all(0 <= float(w) <= 1 for w in words[1:])
    except ValueError:
        return False


def _manifest(root: Path, _: Names) -> bool:
    tables = [path for path in root.iterdir() if path.suffix.lower() in (".csv", ".parquet")]
    return any(
        path.suffix.lower() == ".parquet" or "path" in _head(path).partition("\n")[0]
        for path in tables
    )


def _mask_pairs(_: Path, names: Names) -> bool:
    jpegs = {path.with_suffix("") for path in names if path.suffix.lower() in (".jpg", ".jpeg")}
    return any(path.suffix.lower() == ".png" and path.with_suffix("") in jpegs for path in names)


def _index_masks(root: Path, _: Names) -> bool:
    folders = {path.name.lower() for path in root.iterdir() if path.is_dir()}
    return "images" in folders and "masks" in folders


def _folder(root: Path, names: Names) -> bool:
    images = [path for path in names if path.suffix.lower() in IMAGE_SUFFIXES]
    return any(path.parent != root for path in images)


LAYOUTS: Mapping[str, Callable[[Path, Names], bool]] = {
    "severstal": _severstal,
    "template_pairs": _template_pairs,
    "voc": _voc,
    "coco": _coco,
    "yolo": _yolo,
    "manifest": _manifest,
    "mask_pairs": _mask_pairs,
    "index_masks": _index_masks,
    "folder": _folder,
}
"""Most particular first: the last fits any folder of folders of images."""


def _head(path: Path) -> str:
    """The first characters of a text file; nothing of one that cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD).decode("utf-8", "replace")
    except OSError:
        return ""
