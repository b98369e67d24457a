"""A grid: one config whose `grid:` section names what varies, and the runs that come of it.

    grid:
      model:                                       an axis of named variants, each a set of KEY: VALUE changes
        squeezenet: {student.architecture: squeezenet}
        mobilenet: {student.architecture: "timm:mobilenetv2_100"}
      seed: [7, 8, 9]                              an axis of values of one key

Every variant of every axis meets every other: the run of each cell is the file without `grid:`, with the changes of one
variant per axis laid over it, and with the command line's own changes laid over these.

Covered: faults of all cells at once, at the place where they stand; cells that are the same run twice; seeds that would
be tested on different images. Not covered: cells that turn out alike only when they are run.
"""

from __future__ import annotations

import copy
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.edge.files import canonical_json
from inspection.config import RunConfig
from inspection.data.readers.stated import one_line
from inspection.errors import ConfigError
from pipelines.door import GRID, apply_change, checked, endless, got, put, read_yaml

MOST_CELLS = 1_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]{0,39}")
"""Of a variant; no hyphen, which stands between the names of a cell."""
FIXED = ("name", "data", "checks", "split", GRID)
"""Sections that decide which images a model is tested on, and where they are remembered."""
SEED = "seed"


@dataclass(frozen=True)
class Variant:
    """One way along one axis: `changes` by dotted key; `place` is where the file says so."""

    name: str
    place: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One run of a grid; `recipe` is its name without the seed, equal for the seeds of one recipe."""

    name: str
    recipe: str
    config: RunConfig
    changes: Mapping[str, Any]
    places: Mapping[str, str]
    """Where the file says each change."""

    def placed(self, fault: str) -> str:
        """A fault that begins with its key, with the place of the variant that gave the key."""
        return _placed(fault, self.places)


def holds_grid(path: Path, changes: Sequence[str] = ()) -> bool:
    """Whether the config at `path` is a grid, or is made one; ConfigError when it cannot be read."""
    return GRID in read_yaml(path) or any(map(_of_grid, changes))


def load_grid(path: Path, changes: Sequence[str], variables: Mapping[str, str]) -> list[Cell]:
    """The cells of the grid at `path`, the first axis varying slowest; ConfigError with all faults."""
    base = read_yaml(path)
    if endless(base):
        raise ConfigError([f"{path}: an alias (*name) holds itself, or thousands of values"])
    own = [change for change in changes if not _of_grid(change)]
    faults = [f for change in changes if _of_grid(change) for f in apply_change(base, change)]
    axes, found = _axes(base.pop(GRID, None))
    faults += [f"{path}: {fault}" for fault in (*found, *_clashes(axes))]
    # A change that cannot be made is said once, not once for each cell.
    faults += [fault for change in own for fault in apply_change(copy.deepcopy(base), change)]
    if faults:
        raise ConfigError(list(dict.fromkeys(faults)))
    cells, found = _cells(base, axes, own, variables)
    found += _twice(cells) if not found else []
    if found:
        raise ConfigError([f"{path}: {fault}" for fault in dict.fromkeys(found)])
    return cells


def _of_grid(change: str) -> bool:
    return change.partition("=")[0].partition(".")[0] == GRID


def _axes(section: Any) -> tuple[list[list[Variant]], list[str]]:
    """The axes in the order of the file, and what is wrong with them."""
    if not isinstance(section, dict) or not section:
        return [], [f"{GRID}: needs axes, such as 'seed: [7, 8, 9]', got {got(section)}"]
    axes, faults = [], []
    for name, held in section.items():
        variants, found = _axis(name, held)
        axes.append(variants)
        faults += found
    if not faults and (cells := math.prod(map(len, axes))) > MOST_CELLS:
        faults.append(f"{GRID}: {cells} cells, the limit is {MOST_CELLS}: leave variants out")
    return axes, faults


def _axis(name: Any, held: Any) -> tuple[list[Variant], list[str]]:
    place = f"{GRID}.{one_line(str(name))}"
    if not isinstance(held, dict | list):
        return [], [
            f"{place}: needs named variants (squeezenet: {{KEY: VALUE}}) or a list of values of "
            f"'{one_line(str(name))}', got {got(held)}"
        ]
    if not held:
        return [], [
            f"{place}: is empty, and would leave no run: give a variant, or remove the axis"
        ]
    if isinstance(held, dict):
        found = [_variant(place, key, changes) for key, changes in held.items()]
    else:
        found = [_value(str(name), place, value) for value in held]
    variants = [one for one in found if isinstance(one, Variant)]
    faults = [one for one in found if isinstance(one, str)]
    names = [variant.name for variant in variants]
    twice = sorted({one for one in names if names.count(one) > 1})
    return variants, [*faults, *(f"{place}: '{one}' is there twice" for one in twice)]


def _variant(place: str, name: Any, changes: Any) -> Variant | str:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return (
            f"{place}: {got(name)} is no name for a variant: use up to 40 letters, digits, '_' or '.' "
            "(in quotes, if YAML reads it as something else)"
        )
    place = f"{place}.{name}"
    if not isinstance(changes, dict):
        return f"{place}: needs {{KEY: VALUE}} changes ({{}} for none), got {got(changes)}"
    if faults := [fault for key, value in changes.items() for fault in _key(key, value)]:
        return f"{place}: {faults[0]}"
    return Variant(name, place, changes)


def _value(name: str, place: str, value: Any) -> Variant | str:
    """A value of an axis that is itself a key: `seed: [7]` is the variant `s7`."""
    if faults := list(_key(name, value)):
        return f"{place}: {faults[0]}"
    short = "s" if name == SEED else name.rpartition(".")[2]
    called = f"{short}{value}".replace("-", "m")
    if not isinstance(value, str | int | float) or not NAME.fullmatch(called):
        return f"{place}: {got(value)} gives no name: name it, as in 'mine: {{{name}: …}}'"
    return Variant(called, place, {name: value})


def _key(key: Any, value: Any) -> Iterator[str]:
    if not isinstance(key, str) or not all(key.split(".")):
        yield f"{got(key)} is no key such as student.epochs"
    elif key.partition(".")[0] in FIXED:
        yield (
            f"{key}: all runs of a grid are tested on the same images: give "
            f"{', '.join(FIXED[:-1])} outside of 'grid:'"
        )
    elif isinstance(value, dict) and "." not in key:
        inside = next(iter(value), "…")
        yield f"{key}: a section is not changed as a whole: write {key}.{one_line(str(inside))}: …"


def _clashes(axes: Sequence[Sequence[Variant]]) -> Iterator[str]:
    """Keys that two axes want to set: the second would win in silence."""
    for one, other in itertools.combinations(axes, 2):
        for a, b in itertools.product(one, other):
            for key, rival in itertools.product(a.changes, b.changes):
                if _covers(key, rival) or _covers(rival, key):
                    yield f"{b.place}: {rival} is set by {a.place} too: set it in one axis"


def _covers(key: str, other: str) -> bool:
    return other == key or other.startswith(f"{key}.")


def _cells(
    base: dict[str, Any],
    axes: Sequence[Sequence[Variant]],
    own: Sequence[str],
    variables: Mapping[str, str],
) -> tuple[list[Cell], list[str]]:
    named = [{key for variant in axis for key in variant.changes} != {SEED} for axis in axes]
    cells, faults = [], []
    for chosen in itertools.product(*axes):
        tree = copy.deepcopy(base)
        places = {key: variant.place for variant in chosen for key in variant.changes}
        values = {key: v for variant in chosen for key, v in variant.changes.items()}
        found = [f"{key}: {f}" for key, value in values.items() for f in put(tree, key, value)]
        for change in own:  # the command line has the last word
            found += apply_change(tree, change)
            places.pop(change.partition("=")[0], None)
        config, more = checked(tree, variables)
        found += [*more, *(_unplaced(config, places) if config else [])]
        faults += [_placed(fault, places) for fault in found]
        if config is not None:
            told = [variant.name for variant, tells in zip(chosen, named, strict=True) if tells]
            name = "-".join(variant.name for variant in chosen)
            cells.append(Cell(name, "-".join(told) or config.name, config, values, places))
    return cells, faults


def _unplaced(config: RunConfig, places: Mapping[str, str]) -> Iterator[str]:
    if SEED in places and config.split.seed is None:
        yield (
            "split.seed: is not set, while the grid changes the seed: each seed would be tested on other "
            "images; set it to any number, for example split.seed=7"
        )


def _placed(fault: str, places: Mapping[str, str]) -> str:
    said = fault.partition(":")[0]
    # An unknown section is told by its own name, above the key that was given.
    near = (where for key, where in places.items() if _covers(key, said) or _covers(said, key))
    place = next(near, None)
    return f"{place}: {fault}" if place else fault


def _twice(cells: Sequence[Cell]) -> list[str]:
    """Cells that are one run: a change that does nothing, or that the command line took back."""
    known: dict[bytes, str] = {}
    faults = []
    for cell in cells:
        key = canonical_json(cell.config.model_dump(mode="json"))
        if key in known:
            faults.append(f"{GRID}: '{cell.name}' is the same run as '{known[key]}': leave one out")
        known.setdefault(key, cell.name)
    return faults
