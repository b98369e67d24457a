"""Pairs of a faultless template and a tested part: `x_temp.jpg`, `x_test.jpg` and a text file of boxes.

Layout: DeepPCB, `<group>/x_test.jpg` with `<group>_not/x.txt`, or `x.txt` beside the images; one box a line,
`x1 y1 x2 y2 type`, blanks or commas between. Covered: halves of pairs, boxes without an image. Not covered: the sets'
own lists of splits, differences between the two images.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from inspection.config import DataConfig
from inspection.data.readers.annotation_file import read_limited
from inspection.data.readers.base import Box, RawItem
from inspection.data.readers.drawn import Drawn, label_source, main_class
from inspection.data.readers.files import (
    Fault,
    checked_root,
    images_below,
    path_fault,
    relative,
)
from inspection.data.readers.labels import LabelRule
from inspection.data.readers.stated import number, shown
from inspection.errors import DataError

TEMPLATE, TEST = "_temp", "_test"
DEEP_PCB = {1: "open", 2: "short", 3: "mousebite", 4: "spur", 5: "copper", 6: "pin-hole"}
MAX_TXT_BYTES = 4_000_000
ALONE = "template_missing: no {} beside it, so nothing shows the part without faults"
UNUSED = "test_missing: no {} beside it, the template is kept as a good part"
UNPAIRED = "label_missing: neither *_temp nor *_test, so nothing says what it shows"
FREE = "label_missing: no boxes, and no ok class is given (--ok-class, data.ok_class)"


@dataclass
class Pair:
    """The files that share a name before `_temp` and `_test`."""

    templates: list[Path] = field(default_factory=list)
    tests: list[Path] = field(default_factory=list)


def read_template_pairs(root: Path, config: DataConfig) -> list[RawItem]:
    """One item per template (`data.ok_class`, or `template`) and per tested part (the class of the largest area)."""
    root, rule = checked_root(root), LabelRule(config)
    pairs, strays = _pairs(root)
    if not any(pair.tests for pair in pairs.values()):
        raise DataError(
            f"data.root: no image '*{TEST}.*' below '{root}'; kind 'template_pairs' reads "
            "x_temp.jpg with x_test.jpg and x.txt"
        )
    items = [_stray(path, root) for path in strays]
    for key, pair in pairs.items():
        items += [_template(path, pair, key, root, rule, config) for path in pair.templates]
        items += [_test(path, pair, key, root, rule, config) for path in pair.tests]
    items += _lost_boxes(pairs, root)
    return sorted(items, key=lambda item: item.path)


def _stray(path: Path, root: Path) -> RawItem:
    return RawItem(path=relative(path, root), fault=path_fault(path, root), warnings=(UNPAIRED,))


def _pairs(root: Path) -> tuple[dict[Path, Pair], list[Path]]:
    """Pairs by their common path, and the images that are half of none."""
    pairs: dict[Path, Pair] = defaultdict(Pair)
    strays = []
    for path in images_below(root):
        if path.stem.endswith(TEMPLATE):
            pairs[path.with_name(path.stem.removesuffix(TEMPLATE))].templates.append(path)
        elif path.stem.endswith(TEST):
            pairs[path.with_name(path.stem.removesuffix(TEST))].tests.append(path)
        else:
            strays.append(path)
    return pairs, strays


def _template(
    path: Path, pair: Pair, key: Path, root: Path, rule: LabelRule, config: DataConfig
) -> RawItem:
    label = rule.label(path.stem, config.ok_class or "template", "template")
    return RawItem(
        path=relative(path, root),
        label=label.name,
        label_source=label.source,
        pair_id=relative(key, root),
        fault=path_fault(path, root) or _not_alone(pair.templates) or label.fault,
        warnings=() if pair.tests else (UNUSED.format(shown(f"{key.name}{TEST}")),),
    )


def _test(
    path: Path, pair: Pair, key: Path, root: Path, rule: LabelRule, config: DataConfig
) -> RawItem:
    name, pair_id = relative(path, root), relative(key, root)
    txt = next((place for place in _box_files(key) if place.is_file()), None)
    try:
        boxes = parse_boxes(_text(txt), config.class_names or DEEP_PCB) if txt else ()
        broken: Fault | None = None
    except (ValueError, DataError) as error:
        boxes, broken = (
            (),
            ("annotation_unreadable", f"{shown(f'{key.name}.txt')} {error}: mend the file"),
        )
    drawn = [Drawn(box.label, box) for box in boxes]
    label = rule.label(path.stem, main_class(drawn) or config.ok_class, label_source(drawn))
    fault = path_fault(path, root) or _not_alone(pair.tests) or _txt_fault(txt, key, root) or broken
    warnings = [] if pair.templates else [ALONE.format(shown(f"{key.name}{TEMPLATE}"))]
    if label.name is None and not (fault or label.fault):
        warnings.append(FREE)
    return RawItem(
        path=name,
        label=None if fault else label.name,
        label_source=None if fault else label.source,
        boxes=boxes,
        pair_id=pair_id,
        fault=fault or label.fault,
        warnings=tuple(warnings),
    )


def _not_alone(halves: list[Path]) -> Fault | None:
    if len(halves) < 2:
        return None
    names = ", ".join(shown(path.name) for path in halves[:3])
    return "pair_ambiguous", f"several files for one half of a pair ({names}): keep one"


def _box_files(key: Path) -> tuple[Path, Path]:
    """Where the boxes of a pair may lie."""
    beside = key.parent.with_name(f"{key.parent.name}_not")
    return beside / f"{key.name}.txt", key.with_name(f"{key.name}.txt")


def _txt_fault(txt: Path | None, key: Path, root: Path) -> Fault | None:
    if txt is None:
        return (
            "annotation_missing",
            f"no boxes {shown(f'{key.name}.txt')}: add it (empty for no defect)",
        )
    return path_fault(txt, root)


def _text(path: Path) -> str:
    return read_limited(path, MAX_TXT_BYTES).decode("utf-8-sig")


def parse_boxes(text: str, names: dict[int, str]) -> tuple[Box, ...]:
    """One box a line; ValueError with the line for anything else."""
    boxes = []
    for at, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                boxes.append(_box(line.replace(",", " ").split(), names))
            except ValueError as error:
                raise ValueError(f"line {at}: {error}") from error
    return tuple(boxes)


def _box(tokens: list[str], names: dict[int, str]) -> Box:
    if len(tokens) != 5:
        raise ValueError(f"{len(tokens)} numbers, not x1 y1 x2 y2 type")
    x0, y0, x1, y1 = (_stated(token) for token in tokens[:4])
    kind = _stated(tokens[4])
    if kind not in names:
        known = ", ".join(map(str, sorted(names)))
        raise ValueError(
            f"type {shown(tokens[4])} has no name, --class-name (data.class_names) has {known}"
        )
    return Box(x0, y0, x1, y1, names[int(kind)])


def _stated(token: str) -> float:
    try:
        if "_" in token:
            raise ValueError("Python's own spelling of thousands")
        return number(float(token), "a number")
    except ValueError as error:
        raise ValueError(f"{shown(token)} is no number that an image can hold") from error


def _lost_boxes(pairs: dict[Path, Pair], root: Path) -> list[RawItem]:
    """Text files where boxes belong, of parts that are not there; other texts (lists, notes) are none of ours."""
    used = {place for key, pair in pairs.items() if pair.tests for place in _box_files(key)}
    folders = {place.parent for key in pairs for place in _box_files(key)[:1]}
    halves = {place for key in pairs for place in _box_files(key)}
    return [
        RawItem(
            path=relative(path, root),
            fault=(
                "label_without_image",
                f"no {shown(f'{path.stem}{TEST}')} for these boxes: add it",
            ),
        )
        for path in images_below(root, {".txt"})
        if path not in used and (path.parent in folders or path in halves)
    ]
