"""A comparison over generated images: five recipes, three seeds, answers made up, all else real."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from inspection.data.index import ImageIndex
from inspection.evaluation.comparison import compare
from inspection.evaluation.comparison_words import about
from inspection.evaluation.recipe_card import Origin, RecipeCard
from inspection.evaluation.recipes import Recipe, RecipeCost
from inspection.reporting.comparison_page import ComparisonReport
from tests.unit.reporting_material import NOW, evaluation, full_run

SKILLS = {
    "teacher": (4.2, 11_689_512, 42.8),
    "student_full": (4.0, 241_350, 1.42),
    "student_partial": (3.0, 241_350, 1.45),
    "linear probe": (3.9, 11_180_000, 40.1),
    "tiny": (1.2, 60_120, 0.61),
}
"""How good, how large, how slow."""


def recipes(index: ImageIndex) -> list[Recipe]:
    found = []
    for k, (name, (skill, size, ms)) in enumerate(SKILLS.items()):
        tests = [evaluation(index, name, skill, seed=10 * k + s) for s in (1, 2, 3)]
        cost = RecipeCost(size, size // 2, 4 * size, ms, 1000 / ms, ms, "CPU-ms per image", 90.0)
        found.append(Recipe(name, (1, 2, 3), tuple(tests), cost))
    return found


def curve(skill: float, seed: int) -> list[tuple[float, float]]:
    luck = np.random.default_rng(seed).normal(0, 0.01, 20)
    return [(k + 1.0, float(0.25 * skill * (1 - np.exp(-k / 5)) + luck[k])) for k in range(20)]


def report(root: Path, per_class: int = 60, index: ImageIndex | None = None) -> ComparisonReport:
    index = index or full_run(root, per_class).index
    made = recipes(index)
    table = compare(made, seed=7, reference="teacher")
    origin = Origin(
        {"name": "metal_demo", "student": {"architecture": "plumbnet_s", "epochs": 24}},
        ("metal_demo-1", "metal_demo-2", "metal_demo-3"),
        ("ab" * 32, "cd" * 32, "ef" * 32),
        ("12" * 32,),
        "MIT",
    )
    best = table.figures(table.best)
    others = tuple(one.name for one in table.recipes if one is not best)
    card = RecipeCard(best.name, origin, table.test_digest, best, others, about(table, best))
    learned = {
        n: [curve(s, i) for i in range(3)] for n, (s, _, _) in SKILLS.items() if n[0] in "st"
    }
    del learned["teacher"]
    return ComparisonReport(
        name="metal_demo",
        created=NOW,
        comparison=table,
        recipes=made,
        curves=learned,
        index=index,
        card=card,
        command="plumbline compare a b c",
    )


def renamed(found: ComparisonReport, ending: str) -> ComparisonReport:
    """Every recipe's name with `ending` after it."""
    made = [dataclasses.replace(one, name=one.name + ending) for one in found.recipes]
    return dataclasses.replace(
        found, name=found.name + ending, recipes=made, comparison=compare(made, seed=7), curves={}
    )
