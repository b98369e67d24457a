"""Names for YOLO's class numbers, out of `data.yaml`.

    names: [crack, dent]          or     names:
    train: images/train                    0: crack
                                           1: dent

Covered: `names` as a list or a mapping; faulty YAML is an error. Not covered: `train`, `val`, `test`, `nc` and all
other keys, which are passed over; `classes.txt` and `obj.names`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from inspection.config import DataConfig
from inspection.data.readers.annotation_file import inside, named_file, read_limited
from inspection.data.readers.stated import class_name, shown
from inspection.errors import DataError

FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
MAX_YAML_BYTES = 1_000_000
"""PyYAML reads about 100 kB a second."""
YAML_FAULTS = (
    yaml.YAMLError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    ArithmeticError,
    RecursionError,
)
"""PyYAML's own constructors fail in all these ways: `!!bool x` is a KeyError, the date 2001-99-99 a ValueError."""


def class_names(root: Path, config: DataConfig) -> dict[int, str]:
    """By number: the file's names, over them those of `data.class_names`; empty when nobody gives any."""
    file = named_file(root, config.annotations) if config.annotations else _found(root)
    if file is None:
        return dict(config.class_names)
    try:
        stated = parse_names(read_limited(file, MAX_YAML_BYTES))
        if stated is None and not config.class_names:
            raise ValueError("has no 'names', and data.class_names gives none")
    except ValueError as error:
        raise DataError(f"data.annotations: {shown(file.name)} {error}; mend the file") from error
    return {**(stated or {}), **config.class_names}


def parse_names(data: bytes) -> dict[int, str] | None:
    """Names by number, None without the key; ValueError with one line for a file that cannot be used."""
    try:
        document = yaml.safe_load(data)
    except YAML_FAULTS as error:
        line = " ".join(str(error).split())[:120]
        raise ValueError(f"is no YAML ({line or type(error).__name__})") from error
    if not isinstance(document, dict):
        raise ValueError(f"is {shown(document)}, keys and values are wanted")
    stated = document.get("names")
    if stated is None:
        return None
    if isinstance(stated, list):
        stated = dict(enumerate(stated))
    if not isinstance(stated, dict):
        raise ValueError(f"'names' is {shown(stated)}, a list or a mapping is wanted")
    return _checked(stated)


def _checked(stated: dict[Any, Any]) -> dict[int, str]:
    names: dict[int, str] = {}
    for key, value in stated.items():
        number = int(key) if isinstance(key, str) and key.isascii() and key.isdigit() else key
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise ValueError(f"'names' has the key {shown(key)}, not a class number")
        if number in names:
            raise ValueError(f"'names' has the class number {shown(number)} twice")
        names[number] = class_name(value, f"'names' of {shown(number)}")
    return names


def _found(root: Path) -> Path | None:
    for name in FILES:
        # A link in circles too: passed over, it would take every class's name away in silence.
        if os.path.lexists(root / name):
            return inside(root, root / name)
    return None
