"""A COCO file as a list of images, each with what is said of it; a file that contradicts itself is refused.

Covered: text that is no JSON, missing keys, values of the wrong kind, ids stated twice or never. Not covered: a key
stated twice in one object (the last counts, as JSON has it), `info`, `licenses`, `supercategory`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from inspection.data.readers.stated import class_name, shown, whole

LISTS = ("images", "annotations", "categories")


@dataclass(frozen=True)
class Annotated:
    """One annotation as it stands in the file, and its class; `where` names it in messages."""

    where: str
    label: str
    stated: dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One image as it stands in the file, with its annotations in the file's order."""

    id: int
    file_name: str
    stated: dict[str, Any]
    annotations: list[Annotated] = field(default_factory=list)

    @property
    def label(self) -> str | None:
        """Our export's addition, the label of the whole image; what is no name counts as nothing said."""
        try:
            return class_name(self.stated.get("label"), "label")
        except ValueError:
            return None


def looks_like_coco(data: bytes) -> bool:
    """Whether the words of a COCO file occur at all; cheap, to tell one JSON file from another."""
    return all(f'"{name}"'.encode() in data for name in LISTS)


def parse_document(data: bytes) -> list[Entry]:
    """The images in the file's order; ValueError with one line for a file that cannot be used."""
    document = _loaded(data)
    lists = {name: _objects(document, name) for name in LISTS}
    classes = _classes(lists["categories"])
    entries = _entries(lists["images"])
    seen: set[int] = set()
    for position, stated in enumerate(lists["annotations"]):
        where = f"annotations[{position}]"
        _new_id(stated, where, seen)
        image = _known(stated, "image_id", where, entries, "images")
        label = _known(stated, "category_id", where, classes, "categories")
        entries[image].annotations.append(Annotated(where, classes[label], stated))
    return list(entries.values())


def _loaded(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except RecursionError:
        raise ValueError("is nested too deeply for a COCO file") from None
    except ValueError as error:
        raise ValueError(f"is no JSON, or cut short ({error})") from error
    if not isinstance(document, dict):
        raise ValueError(f"is {shown(document)}, an object with {', '.join(LISTS)} is wanted")
    return document


def _objects(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    if name not in document:
        raise ValueError(f"has no '{name}'")
    found = document[name]
    if not isinstance(found, list):
        raise ValueError(f"'{name}' is {shown(found)}, a list is wanted")
    for position, value in enumerate(found):
        if not isinstance(value, dict):
            raise ValueError(f"{name}[{position}] is {shown(value)}, an object is wanted")
    return found


def _classes(stated: list[dict[str, Any]]) -> dict[int, str]:
    classes: dict[int, str] = {}
    for position, category in enumerate(stated):
        where = f"categories[{position}]"
        number = _new_id(category, where, classes.keys())
        classes[number] = class_name(_value(category, "name", where), f"{where}.name")
    return classes


def _entries(stated: list[dict[str, Any]]) -> dict[int, Entry]:
    entries: dict[int, Entry] = {}
    for position, image in enumerate(stated):
        where = f"images[{position}]"
        number = _new_id(image, where, entries.keys())
        name = _value(image, "file_name", where)
        if not isinstance(name, str) or not name.strip("./\\ "):
            raise ValueError(f"{where}.file_name is {shown(name)}, not a file's name")
        entries[number] = Entry(number, name, image)
    return entries


def _value(stated: dict[str, Any], key: str, where: str) -> object:
    if key not in stated:
        raise ValueError(f"{where} has no '{key}'")
    return stated[key]


def _new_id(stated: dict[str, Any], where: str, seen: Any) -> int:
    """The id, which nothing before may have; a set of seen ones is added to."""
    number = whole(_value(stated, "id", where), f"{where}.id")
    if number in seen:
        raise ValueError(f"{where}.id {shown(number)} is stated twice")
    if isinstance(seen, set):
        seen.add(number)
    return number


def _known(stated: dict[str, Any], key: str, where: str, known: dict[int, Any], name: str) -> int:
    number = whole(_value(stated, key, where), f"{where}.{key}")
    if number not in known:
        raise ValueError(f"{where}.{key} {shown(number)} is not among the {name}")
    return number
