"""Champion and challenger on the same images: who was right where, in all and class by class, with exact p-values.

Views of one thing are one unit, and count against the challenger: a unit is lost when it recognises fewer of its views
than the champion, and gained only when it alone recognises all of them. So differences are per thing, whatever the
number of its photographs, and nothing is shown that independent things would not show. Whether the challenger is right
*more often* is asked by flipping signs unit by unit (`inspection/evaluation/paired.py`); without views of one thing
that is McNemar's exact test.

Covered: chance in the test images. Not covered: chance in training; both models are taken as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspection.config import GateConfig
from inspection.errors import ConfigError
from inspection.evaluation.metrics import Evaluation
from inspection.evaluation.noninferiority import (
    LEVEL,
    fewest_units,
    noninferiority_p,
    units_needed,
)
from inspection.evaluation.paired import exact_p

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tally:
    """Independent `units`, and how many of them the challenger gained and lost."""

    units: int
    gained: int
    lost: int


@dataclass(frozen=True)
class ClassChange:
    """One class of the test set under both models, in images recognised (`hits`) of `support`.

    `p_value`: of a loss of `margin` or more, over `tally`. `missing`: about how many more units would show less, at the
    rates seen; None where the rates themselves lose the margin. A margin of 1 is a waiver.
    """

    label: str
    support: int
    challenger_hits: int
    champion_hits: int
    tally: Tally
    margin: float
    p_value: float
    missing: int | None

    @property
    def change(self) -> int:
        """Images gained; negative when the challenger recognises fewer."""
        return self.challenger_hits - self.champion_hits

    @property
    def kept(self) -> bool:
        """Whether it is shown to lose less than its margin."""
        return self.margin >= 1 or self.p_value <= LEVEL

    @property
    def too_small(self) -> bool:
        """Whether not even a record without one loss would show it."""
        return self.margin < 1 and self.tally.units < fewest_units(self.margin)


@dataclass(frozen=True)
class HeadToHead:
    """All images: newly right (`gained`) and newly wrong (`lost`) in images, `tally` in units.

    `p_better`: one-sided, of not being right more often; `p_margin`: of losing `margin` or more.
    """

    images: int
    gained: int
    lost: int
    tally: Tally
    p_better: float
    margin: float
    p_margin: float
    missing: int | None
    classes: tuple[ClassChange, ...]

    @property
    def better(self) -> bool:
        """Whether it is shown to be right more often."""
        return self.p_better <= LEVEL

    @property
    def not_worse(self) -> bool:
        """Whether it is shown to lose less than the margin."""
        return self.p_margin <= LEVEL


def compare(
    challenger: Evaluation, champion: Evaluation, groups: Mapping[str, str], config: GateConfig
) -> HeadToHead:
    """Both on the same images, in any order; `groups` names the thing an image shows, an image without stands alone."""
    ours, theirs = _right(challenger, challenger), _right(champion, challenger)
    things = [groups.get(image, image) for image in challenger.image_ids]
    change = ours - theirs
    units = _units(things)
    tally = _tally(change, units)
    margin = config.margin
    p_margin = noninferiority_p(tally.units, tally.gained, tally.lost, margin)
    return HeadToHead(
        images=challenger.count,
        gained=int((change > 0).sum()),
        lost=int((change < 0).sum()),
        tally=tally,
        p_better=exact_p(np.bincount(units, weights=change).astype(np.int64), greater=True),
        margin=margin,
        p_margin=p_margin,
        missing=_missing(tally, margin, p_margin),
        classes=_classes(challenger, ours, theirs, things, config),
    )


def check_margins(margins: Collection[str], classes: Collection[str]) -> None:
    """ConfigError for a margin of a class that is not there: a misspelt one would leave the usual margin standing."""
    unknown = sorted(set(margins) - set(classes))
    if unknown:
        there = ", ".join(sorted(classes))
        raise ConfigError(
            [
                f"gate.class_margins: no class is called '{name}'; there are {there}"
                for name in unknown
            ]
        )


def _classes(
    challenger: Evaluation,
    ours: Integers,
    theirs: Integers,
    things: Sequence[str],
    config: GateConfig,
) -> tuple[ClassChange, ...]:
    labels = challenger.labels
    found = []
    for row in (score for score in challenger.per_class if score.support):
        mine = [i for i, label in enumerate(labels) if label == row.label]
        tally = _tally((ours - theirs)[mine], _units([things[i] for i in mine]))
        margin = config.class_margins.get(row.label, config.class_margin)
        p = 0.0 if margin >= 1 else noninferiority_p(tally.units, tally.gained, tally.lost, margin)
        missing = _missing(tally, margin, p)
        hits = int(ours[mine].sum()), int(theirs[mine].sum())
        found.append(ClassChange(row.label, len(mine), *hits, tally, margin, p, missing))
    return tuple(found)


def _right(evaluation: Evaluation, order: Evaluation) -> Integers:
    """Zeros and ones (N,) in the order of `order`'s images, against its labels."""
    called = dict(zip(evaluation.image_ids, evaluation.predictions, strict=True))
    pairs = zip(order.image_ids, order.labels, strict=True)
    return np.array([called[image] == label for image, label in pairs], dtype=np.int64)


def _units(things: Sequence[str]) -> Integers:
    """The number of the thing each image shows (N,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(thing, len(numbers)) for thing in things], dtype=np.int64)


def _tally(change: Integers, units: Integers) -> Tally:
    sizes = np.bincount(units)
    net = np.bincount(units, weights=change)
    return Tally(len(sizes), int((net == sizes).sum()), int((net < 0).sum()))


def _missing(tally: Tally, margin: float, p_value: float) -> int | None:
    if p_value <= LEVEL:
        return 0
    needed = units_needed(tally.units, tally.gained, tally.lost, margin)
    return None if needed is None else needed - tally.units
