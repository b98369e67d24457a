"""Trainings gathered into recipes: seeds belong together, and what differs otherwise is told apart by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from inspection.evaluation.trained import Trained, gather
from tests.unit.comparison_material import answers, cost

RIGHT = np.ones(8, dtype=bool)


def trained(label: str, seed: int, run: str = "", **settings: Any) -> Trained:
    return Trained(
        label=label,
        run=run or f"{label}-{seed}",
        seed=seed,
        settings={"student": settings, "data": {"root": "images"}},
        evaluation=answers(RIGHT),
        cost=cost(float(seed)),
        weights_sha256=f"{seed}" * 64,
        data_digest="d" * 64,
        licence="MIT",
    )


def test_seeds_are_one_recipe_and_a_repeated_training_counts_once() -> None:
    first, again = trained("a", 1, epochs=3), trained("a", 1, "again", epochs=3)
    (found,) = gather([trained("a", 2, epochs=3), first, again])
    assert found.recipe.seeds == (1, 2)
    assert found.origin.runs == ("again", "a-2")
    assert found.recipe.name == "a"
    assert {e.name for e in found.recipe.evaluations} == {"a"}
    assert found.origin.data_digests == ("d" * 64,)


def test_recipes_of_one_label_are_named_by_what_differs() -> None:
    found = gather(
        [trained("a", 1, epochs=3), trained("a", 1, epochs=9), trained("b", 1, epochs=3)]
    )
    assert [one.recipe.name for one in found] == [
        "a (student.epochs=3)",
        "a (student.epochs=9)",
        "b",
    ]


def test_a_key_that_only_one_has_is_told_too() -> None:
    found = gather([trained("a", 1), trained("a", 1, mixup=0.2)])
    assert [one.recipe.name for one in found] == ["a (student.mixup=–)", "a (student.mixup=0.2)"]


def test_cost_is_the_median_over_seeds() -> None:
    three = [trained("a", seed, epochs=3) for seed in (1, 2, 9)]
    unknown = [replace(one, cost=replace(one.cost, training_seconds=None)) for one in three]
    assert gather(three)[0].recipe.cost.latency_ms == 2.0
    assert gather(unknown)[0].recipe.cost.training_seconds is None
