"""The classifiers of one run side by side: probes and heads on features, and the student, on one frozen test set.

Every figure is end to end: who reads features needs the backbone that makes them, in parameters, bytes, time and
arithmetic. The head alone stands beside it, because a head is what some tables quote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.evaluation.compared import Comparison
from inspection.evaluation.comparison import compare
from inspection.evaluation.latency import Latency
from inspection.evaluation.recipes import Recipe, RecipeCost, measured_cost, middle_cost
from inspection.records import Record

PROBE = "linear probe on frozen features"
MLP = "MLP on frozen features"
SMALL_HEAD = "small head distilled from the MLP"
TUNED_PROBE = "linear probe on tuned features"
TUNED_MLP = "MLP on tuned features"
DISTILLED = "distilled student"
ALONE = "student without teacher"
ORDER = (PROBE, MLP, SMALL_HEAD, TUNED_PROBE, TUNED_MLP, DISTILLED, ALONE)
"""Of the rows: what reads features first, what ships last."""


@dataclass(frozen=True)
class Classifiers(Record):
    """Classifiers that answered for the same test images; `comparison` refers to the probe on frozen features.

    `recipes` hold each one's answers image by image. `taught`: which of them the student learned from, one for each
    choice that seeds made; empty for one that learned from labels alone. `tuned`: whether the backbone was tuned.
    """

    recipes: tuple[Recipe, ...]
    comparison: Comparison
    taught: tuple[str, ...]
    tuned: bool

    @property
    def accuracies(self) -> dict[str, float]:
        """By name, for a tracking store."""
        return {one.name: one.accuracy.value for one in self.comparison.recipes}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the table cannot say: which classifier taught, and which one is missing and why."""
        names = " or ".join(self.taught)
        told = [
            f"The student learned from the {names} and from labels."
            if self.taught
            else "The student learned from labels alone: no classifier here taught it."
        ]
        if not self.tuned:
            told.append(
                "The backbone was not tuned (teacher.tune), so a linear probe on tuned features is left out."
            )
        return tuple(told)


def line_up(
    recipes: Sequence[Recipe],
    *,
    taught: Sequence[str],
    tuned: bool,
    groups: Mapping[str, str],
    seed: int,
) -> Classifiers:
    """Compare `recipes` in the order of `ORDER`; DataError where they answered for other images."""
    ordered = tuple(sorted(recipes, key=lambda recipe: ORDER.index(recipe.name)))
    found = compare(ordered, seed=seed, reference=PROBE, groups=groups)
    return Classifiers(ordered, found, tuple(dict.fromkeys(taught)), tuned)


def pooled(runs: Sequence[Classifiers], *, groups: Mapping[str, str], seed: int) -> Classifiers:
    """Runs that differ by their seed alone as one: a classifier's seeds together, its costs in the middle."""
    if not runs:
        raise DataError("there are no runs whose classifiers could be put together: name one")
    if len(runs) == 1:
        return runs[0]
    names = dict.fromkeys(recipe.name for run in runs for recipe in run.recipes)
    recipes = [
        _merged([recipe for run in runs for recipe in run.recipes if recipe.name == name])
        for name in names
    ]
    taught = [name for run in runs for name in run.taught]
    return line_up(recipes, taught=taught, tuned=runs[0].tuned, groups=groups, seed=seed)


def _merged(recipes: Sequence[Recipe]) -> Recipe:
    return replace(
        recipes[0],
        seeds=tuple(seed for recipe in recipes for seed in recipe.seeds),
        evaluations=tuple(found for recipe in recipes for found in recipe.evaluations),
        cost=middle_cost([recipe.cost for recipe in recipes]),
    )


def features_cost(
    teacher: Latency,
    *,
    backbone: int,
    head: int,
    learned: int,
    head_ms: float,
    arithmetic: int,
) -> RecipeCost:
    """Of a head with `head` parameters on a backbone with `backbone`, of which `learned` were trained.

    `teacher`: the time of backbone and teacher's head together. Heads differ by microseconds, so it stands for all.
    """
    return replace(
        measured_cost(teacher, learned + head, None),
        parameters=backbone + head,
        bytes=4 * (backbone + head),
        head_parameters=head,
        head_ms=head_ms,
        multiply_accumulates=arithmetic,
    )


def groups_by_image(index: ImageIndex) -> dict[str, str]:
    """Which thing each test image of `index` shows, by image id; images in no group are left out."""
    frame = index.split("test").frame
    frame = frame[frame["group"].notna()]
    return dict(zip(frame["image_id"].astype(str), frame["group"].astype(str), strict=True))
