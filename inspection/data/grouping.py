"""Which images belong together, from everything that is known of them: one part, one pair, one session, equal pixels.

Covered: every source is joined with every other, so that a copy of one half of a pair keeps the other half with it; the
order of rows does not matter. A quarantined row joins nobody to anybody. Not covered: near-copies, which have to be
looked for (`data_checks/duplicates.py`) and arrive here as `group`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from inspection.config import SplitConfig
from inspection.data.index import ImageIndex
from inspection.errors import DataError

ALWAYS = ("group", "pair_id", "pixel_id", "image_id")
"""Columns whose equal values keep images together, whatever the config says."""

Keys = list[str | None]
Edges = npt.NDArray[np.int64]
"""Pairs of rows, (M, 2)."""


def unite_groups(index: ImageIndex, config: SplitConfig) -> ImageIndex:
    """A copy in which every usable row has a `group`: the smallest image id of all that must stay with it.

    Joined by `group`, `pair_id`, equal pixels or bytes, and what `split.keep_together` and `split.part_pattern` name.
    DataError when one of those says nothing about any image.
    """
    frame = index.frame
    usable = frame["quarantine"].isna().to_numpy()
    sources = [_texts(frame[name]) for name in ALWAYS]
    sources += [keys for _, keys in named_keys(index, config)]
    for keys in sources[1:]:
        keys[:] = [key if ok else None for key, ok in zip(keys, usable, strict=True)]
    component = _components(len(frame), sources)
    smallest: dict[int, str] = {}
    for number, image, ok in zip(component, frame["image_id"], usable, strict=True):
        if ok:
            smallest[int(number)] = min(smallest.get(int(number), str(image)), str(image))
    # A quarantined row keeps its place beside the usable images of its group.
    united = [
        smallest.get(int(number), group) if ok or group is not None else None
        for number, group, ok in zip(component, sources[0], usable, strict=True)
    ]
    return index.with_columns(group=pd.Series(united, dtype=object))


def named_keys(index: ImageIndex, config: SplitConfig) -> Iterator[tuple[str, Keys]]:
    """What the config names, as (`session`, its value per row or None) and so on; DataError when it fits no image."""
    usable = index.frame["quarantine"].isna()
    for name in config.keep_together:
        keys = _folders(index) if name == "folder" else _texts(index.frame[name])
        _check_known(keys, usable, f"split.keep_together: no image has a {name}")
        yield name, keys
    if config.part_pattern is not None:
        found = f"split.part_pattern: '{config.part_pattern}' is found in no path"
        keys = part_ids(index, config.part_pattern)
        _check_known(keys, usable, found)
        yield "part", keys


def part_ids(index: ImageIndex, pattern: str) -> Keys:
    """The pattern's one group in each path; None where it is not found."""
    rule = re.compile(pattern)
    found = (rule.search(path) for path in index.frame["path"])
    return [(match[1] or None) if match else None for match in found]


def _folders(index: ImageIndex) -> Keys:
    return [PurePosixPath(path).parent.as_posix() for path in index.frame["path"]]


def _texts(column: pd.Series[str]) -> Keys:
    return [value if isinstance(value, str) and value else None for value in column]


def _check_known(keys: Keys, usable: pd.Series[bool], fault: str) -> None:
    known = any(key is not None for key, ok in zip(keys, usable, strict=True) if ok)
    if usable.any() and not known:
        raise DataError(f"{fault}: name what the data tell (keep_together, part_pattern), or none")


def group_numbers(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """A number per row, equal for rows that must not face each other: `ALWAYS`, directly or by way of others."""
    return _components(len(frame), [_texts(frame[name]) for name in ALWAYS]).astype(np.int64)


def equal_edges(keys: Iterable[object]) -> Edges:
    """Every row with the first that has its key; rows whose key is no text stay alone."""
    first: dict[str, int] = {}
    pairs = [
        (first.setdefault(key, row), row) for row, key in enumerate(keys) if isinstance(key, str)
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def components(count: int, edges: Edges) -> npt.NDArray[np.int32]:
    """A number per row, equal for rows that edges join, directly or by way of others."""
    ones = np.ones(len(edges), np.int8)
    graph = coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int32)


def _components(count: int, sources: list[Keys]) -> npt.NDArray[np.int32]:
    """`components` of rows that share a value in any source."""
    return components(count, np.concatenate([equal_edges(keys) for keys in sources]))
