"""The door for configs: YAML, `key=value` changes and `${VARIABLES}` in; a `RunConfig`, or every fault at once, out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from inspection.config import RunConfig
from inspection.data.readers.stated import one_line, shown
from inspection.data.readers.yolo_names import YAML_FAULTS
from inspection.errors import ConfigError
from inspection.strict import SECRET
from pipelines.settings import nearest

FROM_TEACHER = "teacher"
GRID = "grid"
"""The section that makes a file many runs (`pipelines/grid.py`); here it is its base alone that counts."""
SHORT: Mapping[str, str] = {"budget": "search.budget"}
"""Changes that may be given by a shorter name."""
YAML_NAMES: Mapping[type, str] = {list: "list", str: "text", int: "number", float: "number"}
MAX_BYTES = 200_000
"""PyYAML reads about 100 kB a second."""
MAX_VALUES = 20_000
M = TypeVar("M", bound=BaseModel)
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class _OnceLoader(yaml.SafeLoader):
    """YAML in which a key may be given once: the second of two equal keys must not win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a repeated key at the line where it stands."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"'{key}' is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_config(
    path: Path, changes: Sequence[str], variables: Mapping[str, str], *, need_all: bool = True
) -> RunConfig:
    """Read `path`, apply `changes` such as ``data.root=/images``, then expand `${NAME}` from `variables`.

    `need_all=False` is for commands that read no images: a machine that watches a line need not have them.
    """
    tree, faults = read_yaml(path), []
    for change in changes:
        faults += apply_change(tree, change)
    tree.pop(GRID, None)
    config, more = checked(tree, variables, need_all=need_all)
    faults += [f"{path}: {fault}" for fault in more]
    if faults or config is None:
        raise ConfigError(faults)
    return config


def checked(
    tree: dict[str, Any], variables: Mapping[str, str], *, need_all: bool = True
) -> tuple[RunConfig | None, list[str]]:
    """The config that a tree of values says, and everything that is wrong with it, each by its key."""
    if endless(tree):
        return None, ["an alias (*name) holds itself, or thousands of values; write it out"]
    config, missing, faults = validated(RunConfig, tree, variables)
    if need_all or (config is None and not faults):
        faults = [*missing, *faults]
    if config is None:
        return None, faults
    return _with_start(config), [*faults, *contradictions(config)]


def validated(
    model: type[M], tree: dict[str, Any], variables: Mapping[str, str], else_: str = "give {key}=…"
) -> tuple[M | None, list[str], list[str]]:
    """What a tree of values says as a `model`, the `${NAME}`s that are not set, and what else is wrong with it.

    `else_`: what can be done but setting a name.
    """
    expanded, unset = _expand(tree, variables, ())
    missing = [
        f"{key}: ${{{name}}} is not set; export {name}=… (or put it in .env), or {else_.format(key=key)}"
        for key, name in unset
    ]
    try:
        return model.model_validate(expanded), missing, []
    except ValidationError as error:
        return None, missing, list(faults_of(error, model, dict(unset)))


def _with_start(config: RunConfig) -> RunConfig:
    """`student.weights: teacher` becomes the teacher's own: one change on the command line moves both."""
    if config.student.weights != FROM_TEACHER:
        return config
    student = config.student.model_copy(update={"weights": config.teacher.weights})
    return config.model_copy(update={"student": student})


def read_yaml(
    path: Path, written: str = "a config is 'key: value' lines, see configs/"
) -> dict[str, Any]:
    """The file's mapping, before any change; `written`: how such a file is, for who left it empty."""
    if path.is_dir():
        raise ConfigError([f"{path}: is a folder; give one of its YAML files"])
    if not path.is_file():
        there = sorted(
            str(other) for other in path.parent.glob("*.yaml") if str(other).isprintable()
        )
        raise ConfigError([f"{path}: no such config{nearest(str(path), there) if there else ''}"])
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ConfigError([f"{path}: {size} bytes, the limit is {MAX_BYTES}; is it a config?"])
    try:
        tree = yaml.load(path.read_text("utf-8"), Loader=_OnceLoader)
    except YAML_FAULTS as error:
        raise ConfigError([f"{path}: not readable as YAML ({_one_line(error)})"]) from error
    if not isinstance(tree, dict):
        held = "is empty" if tree is None else f"holds a {YAML_NAMES.get(type(tree), 'value')}"
        raise ConfigError([f"{path}: {held}; {written}"])
    return tree


def contradictions(config: RunConfig) -> Iterator[str]:
    """Faults that no single key shows."""
    data, split = config.data, config.split
    if data.kind != "synthetic" and data.root is None:
        yield f"data.root: kind '{data.kind}' reads a folder; give data.root=/path/of/the/images"
    if split.test + split.val >= 1:
        yield f"split: test {split.test:g} + val {split.val:g} leave nothing to train on"
    if config.student.unlabelled and data.unlabelled is None:
        yield "student.unlabelled: no image is named as unlabelled; give data.unlabelled=FOLDER, or set it to false"
    if config.student.consistent and not config.student.listens:
        yield (
            "student.consistent: there is no teacher to see what the student sees; set student.distill_logits "
            "or student.distill_features above 0, or set it to false"
        )
    if data.unlabelled is not None and data.patches is not None:
        yield "data.unlabelled: patches are cut around what is drawn, and nothing is drawn there; leave one of both out"
    wanted = f"timm:{config.teacher.backbone}"
    if config.student.weights == FROM_TEACHER and config.student.architecture != wanted:
        yield (
            f"student.weights: 'teacher' fits only the teacher's own network; set "
            f"student.architecture={wanted}, or student.weights=none"
        )
    if config.hardware.nodes > 1 and not config.hardware.address:
        yield (
            "hardware.address: missing, with more than one machine: give the name or number under "
            "which the others find this one"
        )
    yield from _search_faults(config)
    patterns = (
        ("data.label_pattern", data.label_pattern, "label"),
        ("split.part_pattern", split.part_pattern, "part"),
    )
    for key, pattern, told in patterns:
        if pattern is not None and (fault := _bad_pattern(pattern, told)):
            yield f"{key}: {fault}"


def _search_faults(config: RunConfig) -> Iterator[str]:
    search, weights = config.search, config.student.weights
    if search is None:
        return
    low, high = search.learning_rate
    if not 0 < low < high <= 1:
        yield f"search.learning_rate: give the least and the most, such as [1e-4, 3e-2], got {[low, high]}"
    if search.architectures and weights not in ("none", "hub"):
        yield (
            f"search.architectures: '{weights}' holds the weights of one network; set student.weights=none "
            "or hub, or search without architectures"
        )


def _bad_pattern(pattern: str, told: str) -> str | None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        return f"not a regular expression ({one_line(error)})"
    return None if groups == 1 else f"needs exactly one (group) for the {told}, has {groups}"


def apply_change(tree: dict[str, Any], change: str) -> list[str]:
    """Set one dotted key inside `tree`; return what is wrong with the change, if anything."""
    name, equals, text = change.partition("=")
    if not equals or not all(name.split(".")):
        return [f"{shown(change)}: a change is key=value, for example student.epochs=10"]
    try:
        value = yaml.load(text, Loader=_OnceLoader)
    except YAML_FAULTS as error:
        return [f"{shown(change)}: the value is not readable as YAML ({_one_line(error)})"]
    return [f"{shown(change)}: {fault}" for fault in put(tree, SHORT.get(name, name), value)]


def put(tree: dict[str, Any], name: str, value: Any) -> list[str]:
    """Set the dotted key `name` inside `tree`; return what stands in the way, if anything."""
    *sections, last = name.split(".")
    for key in sections:
        if tree.get(key) is None:  # `search=null` switched it off, `budget=5m` switches it on again
            tree[key] = {}
        below = tree[key]
        if not isinstance(below, dict):
            return [f"{shown(key)} holds a value, not further keys"]
        tree = below
    tree[last] = value
    return []


def endless(tree: dict[str, Any]) -> bool:
    """Whether aliases make more values of the file than any config has, be it by holding themselves."""
    waiting: list[Any] = [tree]
    for _ in range(MAX_VALUES):
        if not waiting:
            return False
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
    return True


def _expand(
    value: Any, variables: Mapping[str, str], where: tuple[str, ...]
) -> tuple[Any, list[tuple[str, str]]]:
    """`value` with every `${NAME}` replaced, and each name that is not set after its key."""
    if isinstance(value, dict):
        parts = {k: _expand(v, variables, (*where, str(k))) for k, v in value.items()}
        return {k: part for k, (part, _) in parts.items()}, _joined(parts.values())
    if isinstance(value, list):
        items = [_expand(v, variables, (*where, str(i))) for i, v in enumerate(value)]
        return [item for item, _ in items], _joined(items)
    if not isinstance(value, str):
        return value, []
    unset = [one_line(name) for name in VARIABLE.findall(value) if not variables.get(name)]
    key = one_line(".".join(where))
    expanded = VARIABLE.sub(lambda match: variables.get(match[1], match[0]), value)
    return expanded, [(key, name) for name in unset]


def _joined(parts: Any) -> list[tuple[str, str]]:
    return [one for _, unset in parts for one in unset]


def faults_of(
    error: ValidationError, model: type[BaseModel], told: Collection[str] = ()
) -> Iterator[str]:
    """A sentence for each key of a `model` that is wrong, with what is valid there; of keys `told` their value is."""
    for fault in error.errors():
        where = one_line(".".join(str(part) for part in fault["loc"]))
        if fault["type"] == "extra_forbidden":
            yield f"{where}: unknown key{nearest(str(fault['loc'][-1]), _siblings(fault['loc'], model))}"
        elif fault["type"] == "missing":
            yield f"{where}: missing; every run needs it"
        elif where not in told:
            # A rule between keys names their values itself; the section they stand in would only be "an object".
            between = isinstance(fault["input"], dict) and "ctx" in fault
            told_too = between or fault["type"] == SECRET
            seen = "" if told_too else f", got {got(fault['input'])}"
            yield f"{where}: {fault['msg'][0].lower()}{fault['msg'][1:]}{seen}"


def _siblings(location: tuple[int | str, ...], root: type[BaseModel]) -> list[str]:
    """The keys that are valid where the unknown one stands."""
    model = root
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation
        held = [kind for kind in (annotation, *get_args(annotation)) if _is_section(kind)]
        if not held:
            break
        model = held[0]
    top = [GRID] if model is RunConfig else []
    return [*model.model_fields, *top]


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def got(value: object) -> str:
    """The value as YAML's reader saw it; one that holds others by its kind, because aliases can make it endless."""
    return one_line(repr(value)) if isinstance(value, str | int | float | None) else shown(value)


def _one_line(error: Exception) -> str:
    return one_line(str(error).replace(' in "<unicode string>",', "")) or type(error).__name__
