"""Classifiers whose answers are made up, alone or of a run, and features that tuning moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inspection.data.index import ImageIndex
from inspection.evaluation.classifiers import (
    DISTILLED,
    MLP,
    PROBE,
    TUNED_PROBE,
    Classifiers,
    features_cost,
    groups_by_image,
    line_up,
)
from inspection.evaluation.latency import Latency
from inspection.evaluation.metrics import Evaluation
from inspection.evaluation.neighbour_map import neighbour_map
from inspection.evaluation.recipes import Recipe, RecipeCost, measured_cost
from inspection.evaluation.representation import SelfSupervisionGain, Split, representation_gain
from inspection.evaluation.representation_maps import FeatureMaps, pca_maps
from tests.unit.comparison_material import answers, cost

IMAGES = 200
BACKBONE, WIDE = 11_170_000, 512
HEADS = {PROBE: WIDE * 6 + 6, MLP: WIDE * 128 + 128 + 128 * 6 + 6, TUNED_PROBE: WIDE * 6 + 6}
TEACHER = Latency("teacher", "torch", 42.8, 47.1, 200, 1, BACKBONE + HEADS[MLP], 46_830_571)
STUDENT = Latency("student", "onnxruntime", 1.42, 1.71, 200, 1, 241_350, 986_112)


def wrong_on(*images: int) -> np.ndarray:
    right = np.ones(IMAGES, dtype=bool)
    right[list(images)] = False
    return right


def classifier(name: str, right: np.ndarray, *, seed: int = 7, latency_ms: float = 40.0) -> Recipe:
    return Recipe(name, (seed,), (answers(right, name),), cost(latency_ms))


def lined_up(recipes: list[Recipe], **changes: object) -> Classifiers:
    given = {"taught": [MLP], "tuned": False, "groups": {}, "seed": 3} | changes
    return line_up(recipes, **given)  # type: ignore[arg-type]


def cost_of(name: str) -> RecipeCost:
    if name == DISTILLED:
        return replace(measured_cost(STUDENT, 241_350, None), multiply_accumulates=23_400_000)
    return features_cost(
        TEACHER,
        backbone=BACKBONE,
        head=HEADS[name],
        learned=BACKBONE if name == TUNED_PROBE else 0,
        head_ms=0.004 if name != MLP else 0.021,
        arithmetic=1_814_000_000 + HEADS[name],
    )


def classifiers_of(answers: dict[str, Evaluation], index: ImageIndex, seed: int = 7) -> Classifiers:
    recipes = [
        Recipe(name, (seed,), (replace(found, name=name),), cost_of(name))
        for name, found in answers.items()
    ]
    tuned = TUNED_PROBE in answers
    groups = groups_by_image(index)
    return line_up(recipes, taught=[MLP], tuned=tuned, groups=groups, seed=seed)


def tuned_material(
    index: ImageIndex, *, umap: bool = False
) -> tuple[SelfSupervisionGain, FeatureMaps]:
    """Features in which classes lie closer before than after, judged and drawn by the real functions."""
    generator = np.random.default_rng(3)
    frame = {part: index.split(part).frame for part in ("train", "val", "test")}
    noise = {part: generator.normal(size=(len(rows), 24)) for part, rows in frame.items()}
    centres = generator.normal(size=(len(index.classes), 24))

    def splits(apart: float) -> tuple[Split, Split, Split]:
        made = []
        for part, rows in frame.items():
            labels = np.array([index.classes.index(str(label)) for label in rows["label"]])
            groups = [str(group) for group in rows["group"]]
            made.append(Split(noise[part] + apart * centres[labels], labels, tuple(groups)))
        return made[0], made[1], made[2]

    before, after = splits(0.5), splits(1.6)
    shown = before[2].features, after[2].features
    found = pca_maps(*shown, fitted_on=(before[0].features, after[0].features))
    near = [neighbour_map(rows, seed=1) if umap else None for rows in shown]
    maps = FeatureMaps(
        tuple(str(i) for i in frame["test"]["image_id"]),
        _pairs(found.before),
        _pairs(found.after),
        found.explained_before,
        found.explained_after,
        None if near[0] is None else _pairs(near[0]),
        None if near[1] is None else _pairs(near[1]),
        train_images=len(frame["train"]),
    )
    return representation_gain(before, after, seed=1), maps


def _pairs(points: Sequence[Sequence[float]] | np.ndarray) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in points)
