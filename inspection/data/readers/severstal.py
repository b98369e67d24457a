"""Severstal's run lengths: a CSV of `ImageId,ClassId,EncodedPixels` and one folder of images.

Pairs `start length`, pixels counted from 1 down the columns, one row per image and class. Covered: the older form
`ImageId_ClassId,EncodedPixels`, rows without pixels, images that no row names. Not covered: images in several folders
at once, run lengths across the rows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from inspection.config import DataConfig
from inspection.data.readers.base import RawItem
from inspection.data.readers.drawn import Drawn, label_source, main_class, strangers
from inspection.data.readers.files import (
    Fault,
    checked_root,
    images_below,
    path_fault,
    relative,
)
from inspection.data.readers.labels import LabelRule
from inspection.data.readers.stated import one_line, shown
from inspection.data.readers.tables import (
    Row,
    Table,
    annotation_file,
    outside,
    read_table,
    safe_name,
)
from inspection.data.shapes import Runs, ShapeError
from inspection.errors import DataError

COLUMNS = frozenset({"ImageId", "ClassId", "EncodedPixels"})
OLD_COLUMNS = frozenset({"ImageId_ClassId", "EncodedPixels"})
FOLDERS = ("train_images", "images")
NUMBER = re.compile(r"-?[0-9]{1,18}")
UNNAMED = "label_missing: no row names it, and no ok class is given (--ok-class, data.ok_class)"
EMPTY = (
    "label_missing: its rows hold no pixels, and no ok class is given (--ok-class, data.ok_class)"
)


@dataclass
class Entry:
    """What the rows of one image say: pixels by class number, and the first fault."""

    line: int
    pixels: dict[int, str] = field(default_factory=dict)
    fault: Fault | None = None


def read_severstal(root: Path, config: DataConfig) -> list[RawItem]:
    """One item per image, and one for every name in the CSV that has no image.

    The label is the pattern's, or the class with the most pixels, or for an image without any `data.ok_class`.
    """
    root, rule = checked_root(root), LabelRule(config)
    table = read_table(annotation_file(root, config.annotations, (".csv",)))
    entries = _entries(table)
    folder = _image_folder(root, entries)
    images = images_below(folder)
    found = {relative(path, folder): path for path in images}
    aliases = _by_name(images, folder)
    items, used = [], set[str]()
    for name, entry in entries.items():
        place = _place(name, found, aliases)
        if place is None or place in used:
            items.append(_lost(name, entry, table.path, folder, root, twice=place is not None))
        else:
            used.add(place)
            items.append(_item(found[place], entry, root, rule, config))
    items += [
        _item(path, None, root, rule, config) for name, path in found.items() if name not in used
    ]
    return sorted(items, key=lambda item: item.path)


def _entries(table: Table) -> dict[str, Entry]:
    """By the image's name as the CSV states it."""
    names = frozenset(table.columns)
    if names not in (COLUMNS, OLD_COLUMNS):
        raise table.fault(
            1,
            f"columns {shown(', '.join(table.columns))}; kind 'severstal' reads a header "
            "ImageId,ClassId,EncodedPixels or ImageId_ClassId,EncodedPixels, nothing else",
        )
    entries: dict[str, Entry] = {}
    for row in table.rows:
        name, number = _key(row, table)
        entry = entries.setdefault(safe_name(name) or name, Entry(row.line))
        _add(entry, number, row.text("EncodedPixels"), row.line)
    return entries


def _key(row: Row, table: Table) -> tuple[str, str]:
    """The image's name and the class number's text."""
    if "ImageId" in table.columns:
        name, number = row.text("ImageId"), row.text("ClassId")
    else:
        name, _, number = row.text("ImageId_ClassId").rpartition("_")
    if not name:
        raise table.fault(row.line, "no image named; give a file name in every row")
    return name, number


def _add(entry: Entry, number: str, pixels: str, line: int) -> None:
    if not pixels or entry.fault is not None:
        return
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        sentence = f"line {line}: class {shown(number)} is no number: give 0, 1, 2 …"
        entry.fault = ("class_not_a_number", sentence)
    elif int(number) in entry.pixels:
        sentence = f"line {line} gives class {number} a second time: join the rows"
        entry.fault = ("runs_duplicate", sentence)
    else:
        entry.pixels[int(number)] = pixels


def _image_folder(root: Path, entries: dict[str, Entry]) -> Path:
    """The only folder called train_images or images, else the only one whose files the CSV names."""
    paths = images_below(root)
    if not paths:
        raise DataError(f"data.root: no image files below '{root}'; is it the right folder?")
    above = {folder for path in paths for folder in path.parents if folder.is_relative_to(root)}
    for wanted in FOLDERS:
        named = [folder for folder in above if folder.name.lower() == wanted]
        if len(named) == 1:
            return named[0]
    stated = {name.rpartition("/")[2] for name in entries}
    holding = {path.parent for path in paths if path.name in stated} or {p.parent for p in paths}
    if len(holding) == 1:
        return holding.pop()
    names = ", ".join(sorted(one_line(relative(folder, root)) for folder in holding)[:3])
    raise DataError(
        f"data.root: images lie in {len(holding)} folders ({names}); put them into 'train_images'"
    )


def _by_name(images: list[Path], folder: Path) -> dict[str, str]:
    """Places by bare file name, where only one file has it."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in images:
        places[path.name].append(relative(path, folder))
    return {name: found[0] for name, found in places.items() if len(found) == 1}


def _place(name: str, found: dict[str, Path], aliases: dict[str, str]) -> str | None:
    safe = safe_name(name)
    if safe is None:
        return None
    return safe if safe in found else aliases.get(safe.rpartition("/")[2])


def _lost(
    name: str, entry: Entry, table: Path, folder: Path, root: Path, *, twice: bool
) -> RawItem:
    """A row without an image; by the table's line where its name may not be used as a path."""
    line = f"{relative(table, root)}#{entry.line}"
    safe = safe_name(name)
    if safe is None:
        return RawItem(path=line, fault=outside(name))
    if twice:
        sentence = f"{shown(name)} names an image that other rows name too: spell it one way"
        return RawItem(path=line, fault=("label_without_image", sentence))
    sentence = (
        f"line {entry.line} of the CSV names an image that is not there: add it, or remove the row"
    )
    return RawItem(path=relative(folder / safe, root), fault=("label_without_image", sentence))


def _item(
    path: Path, entry: Entry | None, root: Path, rule: LabelRule, config: DataConfig
) -> RawItem:
    name = relative(path, root)
    fault = path_fault(path, root) or (entry.fault if entry else None)
    if fault is not None:
        return RawItem(path=name, fault=fault)
    try:
        shapes = _shapes(entry.pixels if entry else {}, config.class_names)
    except ShapeError as error:
        return RawItem(path=name, fault=(error.code, str(error)))
    drawn = [Drawn(runs.label, shape=runs) for runs in shapes]
    label = rule.label(path.stem, main_class(drawn) or config.ok_class, label_source(drawn))
    missing = UNNAMED if entry is None else EMPTY
    return RawItem(
        path=name,
        label=label.name,
        label_source=label.source,
        shapes=shapes,
        fault=label.fault,
        warnings=strangers(drawn, label.name) if label.name or label.fault else (missing,),
    )


def _shapes(pixels: dict[int, str], names: dict[int, str]) -> tuple[Runs, ...]:
    return tuple(
        parse_runs(names.get(number, f"class_{number}"), text)
        for number, text in sorted(pixels.items())
    )


def parse_runs(label: str, text: str) -> Runs:
    """From `start length` pairs that count pixels from 1; ShapeError for what no image can hold."""
    tokens = text.split()
    if bad := next((token for token in tokens if not NUMBER.fullmatch(token)), None):
        raise ShapeError("runs_malformed", f"{label}: {shown(bad)} is no whole number: mend it")
    if len(tokens) % 2:
        raise ShapeError(
            "runs_malformed", f"{label}: {len(tokens)} numbers, not pairs of start and length"
        )
    pairs = sorted(zip(map(int, tokens[::2]), map(int, tokens[1::2]), strict=True))
    end = 1
    for start, length in pairs:
        if start < 1 or length < 1:
            sentence = f"{label}: run '{start} {length}': both count from 1, mend the file"
            raise ShapeError("runs_out_of_bounds", sentence)
        if start < end:
            sentence = (
                f"{label}: the run at {start} overlaps the one before, which ends at {end - 1}"
            )
            raise ShapeError("runs_overlap", f"{sentence}: join them")
        end = start + length
    return Runs(label, tuple(start - 1 for start, _ in pairs), tuple(n for _, n in pairs))
