"""Recipes whose true accuracy is known: images of shared difficulty, networks with seeds of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from inspection.evaluation.metrics import Evaluation, evaluate
from inspection.evaluation.recipes import Recipe, RecipeCost

CLASSES = ("crack", "ok", "pit", "scratch")
DIGEST = "d" * 64
SHARPNESS = 4.0


def cost(latency_ms: float = 10.0, **changes: Any) -> RecipeCost:
    given = {
        "parameters": 250_000,
        "trained_parameters": 250_000,
        "bytes": 1_000_000,
        "throughput": 1000 / latency_ms,
        "energy_proxy": latency_ms,
        "training_seconds": 60.0,
    }
    return RecipeCost(latency_ms=latency_ms, **{**given, **changes})


def labels_of(count: int) -> list[str]:
    return [CLASSES[i % len(CLASSES)] for i in range(count)]


def answers(right: npt.NDArray[np.bool_], name: str = "model", **changes: Any) -> Evaluation:
    """An evaluation that is right where `right` (N,) says so, and names the next class elsewhere."""
    labels = changes.pop("labels", labels_of(len(right)))
    true = np.array([CLASSES.index(label) for label in labels])
    called = np.where(right, true, (true + 1) % len(CLASSES))
    probabilities = np.full((len(right), len(CLASSES)), 0.1) + 0.6 * np.eye(len(CLASSES))[called]
    ids = changes.pop("image_ids", [f"{i:064x}" for i in range(len(right))])
    given = {"classes": CLASSES, "test_digest": DIGEST, "image_ids": ids} | changes
    return evaluate(name, labels, probabilities, **given)


def recipe(name: str, rights: Sequence[npt.NDArray[np.bool_]], latency_ms: float = 10.0) -> Recipe:
    found = tuple(answers(right, name) for right in rights)
    return Recipe(name, tuple(range(len(found))), found, cost(latency_ms))


def exactly(name: str, wrong: Sequence[int], count: int = 200, latency_ms: float = 10.0) -> Recipe:
    """One seed, wrong on exactly these images."""
    right = np.ones(count, dtype=bool)
    right[list(wrong)] = False
    return recipe(name, [right], latency_ms)


class World:
    """Draws studies: `ease` sets how easy images are, `spread` how much seeds differ, `noise` how much is luck."""

    def __init__(self, seed: int, *, ease: float = 4.0, spread: float = 0.15, noise: float = 0.8):
        self.generator = np.random.default_rng(seed)
        self.ease, self.spread, self.noise = ease, spread, noise

    def study(
        self, skills: Sequence[float], *, images: int = 600, seeds: int = 3, views: int = 1
    ) -> list[Recipe]:
        """One recipe per skill on the same images, which come as `views` of one thing."""
        things = self.generator.normal(self.ease, 2.5, -(-images // views))
        difficulty = np.repeat(things, views)[:images]
        return [
            recipe(f"r{k}", [self._right(difficulty, skill) for _ in range(seeds)], 10.0 + k)
            for k, skill in enumerate(skills)
        ]

    def accuracy(self, skill: float) -> float:
        """What a recipe is worth over all images and seeds."""
        many = self.generator.normal(self.ease, 2.5, 400_000)
        luck = self.generator.normal(0, self.spread, many.size)
        return float(self._share(many + luck, skill).mean())

    def _right(self, difficulty: npt.NDArray[np.float64], skill: float) -> npt.NDArray[np.bool_]:
        share = self._share(difficulty + self.generator.normal(0, self.spread), skill)
        return np.asarray(self.generator.random(len(difficulty)) < share)

    def _share(self, ease: npt.NDArray[np.float64], skill: float) -> npt.NDArray[np.float64]:
        luck = self.generator.normal(0, self.noise, len(ease))
        return np.asarray(1 / (1 + np.exp(-SHARPNESS * (ease + skill + luck))))
