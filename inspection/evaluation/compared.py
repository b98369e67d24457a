"""What a comparison found: figures by recipe, verdicts by pair, and what is left to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from inspection.evaluation.recipes import RecipeCost
from inspection.records import Record

Verdict = Literal["better", "worse", "tie"]
OPPOSITE: Mapping[Verdict, Verdict] = {"better": "worse", "worse": "better", "tie": "tie"}


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassFigures:
    """One class: means over seeds; intervals from the number of images alone."""

    label: str
    support: int
    recall: Estimate
    precision: Estimate
    f1: float


@dataclass(frozen=True)
class RecipeFigures:
    """One recipe: means over its seeds, and what it keeps of the reference's accuracy.

    `confusion` sums over seeds: each image counts once for each.
    """

    name: str
    seeds: tuple[int, ...]
    cost: RecipeCost
    accuracy: Estimate
    macro_f1: Estimate
    balanced_accuracy: Estimate
    by_seed: tuple[float, ...]
    retention: Estimate
    per_class: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Pair:
    """`first` held against `second`. Differences are first less second; `…_wrong` count images, on average over
    pairs of seeds.

    `mcnemar_p` is exact, on groups; `chance_p` from draws over images and seeds; `p` is the larger of both after Holm's
    correction over all pairs, and decides: below 0.05 `first` is better or worse, else the two tie.
    """

    first: str
    second: str
    difference: Estimate
    macro_f1_difference: Estimate
    only_first_wrong: float
    only_second_wrong: float
    both_wrong: float
    mcnemar_p: float
    chance_p: float
    p: float
    verdict: Verdict


@dataclass(frozen=True)
class Comparison(Record):
    """Recipes on one frozen test set. `front`: fastest first, what nothing faster ties with or beats (`pareto.py`).

    `most_accurate` by mean accuracy; `best`: the fastest that ties with it and is surely at most 5 points behind.
    """

    test_digest: str
    classes: tuple[str, ...]
    images: int
    groups: int
    reference: str
    seed: int
    draws: int
    recipes: tuple[RecipeFigures, ...]
    pairs: tuple[Pair, ...]
    front: tuple[str, ...]
    most_accurate: str
    best: str

    def figures(self, name: str) -> RecipeFigures:
        """The recipe called `name`."""
        return next(recipe for recipe in self.recipes if recipe.name == name)

    def pair(self, first: str, second: str) -> Pair:
        """The two in the order asked for."""
        found = next(pair for pair in self.pairs if {pair.first, pair.second} == {first, second})
        return found if found.first == first else _turned(found)


def _turned(pair: Pair) -> Pair:
    return replace(
        pair,
        first=pair.second,
        second=pair.first,
        difference=_negative(pair.difference),
        macro_f1_difference=_negative(pair.macro_f1_difference),
        only_first_wrong=pair.only_second_wrong,
        only_second_wrong=pair.only_first_wrong,
        verdict=OPPOSITE[pair.verdict],
    )


def _negative(found: Estimate) -> Estimate:
    return Estimate(-found.value, -found.high, -found.low)
