"""What is compared: a recipe's answers on one frozen test set, seed by seed, and what it costs.

Covered: recipes that cannot be compared are refused with one sentence. Not covered: whether a test set was used to
choose a recipe; no figure can tell that afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from inspection.errors import DataError
from inspection.evaluation.latency import Latency
from inspection.evaluation.metrics import Evaluation
from inspection.records import Record

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RecipeCost(Record):
    """What one image and one training cost; None where nobody measured.

    `latency_ms`: median, end to end (preprocessing and backbone included), one image at a time. `throughput`: images
    per second. `energy_proxy` stands for energy in the unit that `energy_unit` names; it is no measurement in joules.
    `head_parameters`, `head_ms`: of the head alone, where features are made by a backbone that others could share.
    """

    parameters: int
    trained_parameters: int | None
    bytes: int
    latency_ms: float
    throughput: float | None = None
    energy_proxy: float | None = None
    energy_unit: str = "CPU-ms per image"
    training_seconds: float | None = None
    head_parameters: int | None = None
    head_ms: float | None = None
    multiply_accumulates: int | None = None


def measured_cost(latency: Latency, trained: int | None, seconds: float | None) -> RecipeCost:
    """One image at a time, on `threads` threads that are counted as busy all the while."""
    return RecipeCost(
        parameters=latency.parameters,
        trained_parameters=trained,
        bytes=latency.bytes,
        latency_ms=latency.median_ms,
        throughput=1000.0 / latency.median_ms,
        energy_proxy=latency.median_ms * latency.threads,
        training_seconds=seconds,
    )


def middle_cost(costs: Sequence[RecipeCost]) -> RecipeCost:
    """Medians over seeds of what was measured; the sizes are those of the first."""

    def middle(name: str) -> float | None:
        values = [value for cost in costs if (value := getattr(cost, name)) is not None]
        return float(median(values)) if values else None

    return replace(
        costs[0],
        latency_ms=float(median(cost.latency_ms for cost in costs)),
        throughput=middle("throughput"),
        energy_proxy=middle("energy_proxy"),
        training_seconds=middle("training_seconds"),
        head_ms=middle("head_ms"),
    )


@dataclass(frozen=True)
class Recipe(Record):
    """One way to train and ship, trained with one or more seeds: `seeds` and `evaluations` are aligned."""

    name: str
    seeds: tuple[int, ...]
    evaluations: tuple[Evaluation, ...]
    cost: RecipeCost


@dataclass(frozen=True, eq=False)
class Answered:
    """All recipes' answers on the same N images, in one order, as positions in `classes`.

    `true` (N,); `called[r]` (S_r, N); `votes` (R, N): the answer that most seeds of a recipe give, an even vote settled
    by their mean probability; `groups` (N,): images of one group are views of one thing.
    """

    classes: tuple[str, ...]
    image_ids: tuple[str, ...]
    true: Integers
    called: tuple[Integers, ...]
    votes: Integers
    groups: Integers

    def right(self, recipe: int) -> Integers:
        """One where a seed of the recipe has an image right, else zero: (S, N)."""
        return np.asarray(self.called[recipe] == self.true, dtype=np.int64)


def answered(recipes: Sequence[Recipe], groups: Mapping[str, str] | None = None) -> Answered:
    """Line the recipes up; DataError when they cannot be compared. `groups`: group by image id."""
    check_comparable(recipes)
    first = recipes[0].evaluations[0]
    place = {label: i for i, label in enumerate(first.classes)}
    scores = [_scores(recipe, first) for recipe in recipes]
    return Answered(
        classes=first.classes,
        image_ids=first.image_ids,
        true=np.array([place[label] for label in first.labels], dtype=np.int64),
        called=tuple(found.argmax(axis=2) for found in scores),
        votes=np.stack([_vote(found) for found in scores]),
        groups=_groups(first.image_ids, groups or {}),
    )


def check_comparable(recipes: Sequence[Recipe]) -> None:
    """DataError unless all answered for the same images, labels and classes, each recipe named once."""
    if len(recipes) < 2:
        raise DataError(f"a comparison needs two recipes or more, not {len(recipes)}: name another")
    twice = sorted(name for name, n in Counter(r.name for r in recipes).items() if n > 1)
    if twice:
        raise DataError(f"two recipes are called '{twice[0]}': give each its own name")
    for recipe in recipes:
        if not recipe.evaluations or len(recipe.evaluations) != len(recipe.seeds):
            raise DataError(f"'{recipe.name}' needs one evaluation for each of its seeds")
        if not recipe.cost.latency_ms > 0:
            raise DataError(f"'{recipe.name}' has no latency: measure it beside the others")
        for evaluation in recipe.evaluations:
            _check_same(recipe.name, evaluation, recipes[0].name, recipes[0].evaluations[0])


def _check_same(name: str, found: Evaluation, other: str, first: Evaluation) -> None:
    if found.test_digest != first.test_digest:
        raise DataError(
            f"'{name}' was measured on test set {found.test_digest[:12]}, '{other}' on "
            f"{first.test_digest[:12]}: compare runs of one frozen test set"
        )
    if set(found.classes) != set(first.classes):
        odd = ", ".join(sorted(set(found.classes) ^ set(first.classes)))
        raise DataError(f"'{name}' and '{other}' know other classes ({odd}): train both on one set")
    truth = dict(zip(first.image_ids, first.labels, strict=True))
    if sorted(found.image_ids) != sorted(first.image_ids):
        odd_one = min(set(found.image_ids) ^ set(first.image_ids), default="a repeated one")
        raise DataError(
            f"'{name}' and '{other}' answered for different images (such as {odd_one[:12]}): "
            "evaluate both on the same rows"
        )
    if dict(zip(found.image_ids, found.labels, strict=True)) != truth:
        raise DataError(f"'{name}' and '{other}' were held to other labels: evaluate both again")


def _scores(recipe: Recipe, first: Evaluation) -> npt.NDArray[np.float64]:
    """Probabilities (S, N, C) in the order of `first`'s images and classes."""
    return np.stack([_in_order(evaluation, first) for evaluation in recipe.evaluations])


def _in_order(found: Evaluation, first: Evaluation) -> npt.NDArray[np.float64]:
    rows = np.asarray(found.probabilities, dtype=np.float64)
    # Stable sorts on both sides pair up byte copies, which share an id, too.
    mine, theirs = _sorted(found.image_ids), _sorted(first.image_ids)
    ordered = np.empty_like(rows)
    ordered[theirs] = rows[mine]
    return ordered[:, [found.classes.index(label) for label in first.classes]]


def _sorted(image_ids: Sequence[str]) -> npt.NDArray[np.intp]:
    return np.argsort(np.asarray(image_ids, dtype=np.str_), kind="stable")


def _vote(scores: npt.NDArray[np.float64]) -> Integers:
    """Answers (N,) of most seeds, from probabilities (S, N, C)."""
    classes = scores.shape[2]
    votes: npt.NDArray[Any] = np.eye(classes)[scores.argmax(axis=2)].sum(axis=0)
    # Mean probabilities stay below half a vote: they settle even votes and nothing else.
    return np.asarray((votes + 0.49 * scores.mean(axis=0)).argmax(axis=1), dtype=np.int64)


def _groups(image_ids: Sequence[str], groups: Mapping[str, str]) -> Integers:
    """Numbers 0..G-1; an image without a group, and its byte copies, are a group of their own."""
    names = [f"group {groups[i]}" if i in groups else f"image {i}" for i in image_ids]
    _, numbers = np.unique(np.asarray(names, dtype=np.str_), return_inverse=True)
    return np.asarray(numbers, dtype=np.int64)
