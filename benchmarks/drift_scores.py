"""How well do scores of strangeness tell a class that nobody taught: today's, and local ones that judge each place?

Local: MobileNetV2 with public weights at 256 px, the map of stride 16, and mean and largest of the map of stride 8 on
the same 16 x 16 places, 160 numbers each. A place is judged by one Gaussian of all places of known images, or by the
distance to its nearest in a memory of them. Five folds of whole groups: no image is judged by what its group taught.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from drift_material import AS_IT_IS, ASSETS, DATA, FOLDS, Labels, Material, Matrix, grouped
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from data_checks.strangeness import Strangeness
from deploy.edge.decode import read_image
from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Preprocessing
from inspection.features.backbone import normalised
from inspection.features.weights import Blueprint, create_network

SIZE = 256
LEVELS = (2, 3)
"""Of the network's levels, those of stride 8 and 16."""
MEMORY = 8000
COMPONENTS = 64
NEIGHBOURS = 3
SHRINKAGE = 0.01
TOP = 0.03
TODAY = ("neighbours", "relative Mahalanobis", "beside the components")
RATES = (0.01, 0.02, 0.05)
FIGURES = ("auc", "at 1 %", "at 2 %", "at 5 %")
"""The area under the curve; strangers flagged at each rate of falsely flagged known images."""
Table = dict[str, dict[str, float]]
Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float64]


def maps(name: str, cache: Path) -> Matrix:
    """(N, 256, 160): the places of every image, in the order of `drift_material.material`."""
    file = cache / f"{name}_maps.npy"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        weights = ASSETS / "weights" / "mobilenetv2_100.imagenet.safetensors"
        network = create_network(Blueprint("mobilenetv2_100", SIZE), str(weights), seed=0)
        module = network.module.eval()
        size = Preprocessing(SIZE, SIZE, "stretch")
        seen = []
        for path in grouped(DATA[name], cache).paths:
            pixels = torch.from_numpy(preprocess(read_image(path).pixels, size)[None])
            image = normalised(pixels, network.mean, network.std)
            with torch.inference_mode():
                fine, coarse = module.forward_intermediates(  # type: ignore[operator]
                    image, indices=list(LEVELS), intermediates_only=True
                )
            seen.append(_places(fine[0].numpy(), coarse[0].numpy()))
        np.save(file, np.stack(seen).astype(np.float16))
    return np.asarray(np.load(file), np.float32)


def _places(fine: Matrix, coarse: Matrix) -> Matrix:
    """(16 * 16, 160) of maps (32, 32, 32) and (96, 16, 16)."""
    channels, side = len(fine), coarse.shape[1]
    cells = fine.reshape(channels, side, 2, side, 2)
    stacked = np.concatenate([coarse, cells.mean(axis=(2, 4)), cells.max(axis=(2, 4))])
    return np.asarray(stacked.reshape(len(stacked), -1).T)


def local_scores(places: Matrix, groups: Labels, known: Mask) -> dict[str, Scores]:
    """Scores (N,) by name, of known images and strangers alike by known images of other groups."""
    rng = np.random.default_rng(0)
    names, codes = np.unique(groups, return_inverse=True)
    folds = (rng.permutation(len(names)) % FOLDS)[codes]
    scores: dict[str, Scores] = {}
    for fold in range(FOLDS):
        asked = folds == fold
        distances = _distances(places[known & ~asked], places[asked], rng)
        for way, far in distances.items():
            for what, score in _summaries(far).items():
                scores.setdefault(f"{way}, {what}", np.zeros(len(places)))[asked] = score
    return scores


def _distances(taught: Matrix, asked: Matrix, rng: np.random.Generator) -> dict[str, Matrix]:
    """(M, 256) by way: how far each place of the asked images is from the taught ones."""
    points = taught.reshape(-1, taught.shape[-1])
    mean = points.mean(axis=0)
    strengths, axes = np.linalg.eigh(np.cov((points - mean).T))
    strengths = np.maximum(strengths, 0.0) + SHRINKAGE * strengths.mean()
    white = (axes / np.sqrt(strengths)).astype(np.float32)
    others = (asked.reshape(-1, asked.shape[-1]) - mean) @ white
    kept = rng.choice(len(points), min(MEMORY, len(points)), replace=False)
    memory = (points[kept] - mean) @ white[:, -COMPONENTS:]
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS, algorithm="brute").fit(memory)
    apart = nearest.kneighbors(others[:, -COMPONENTS:])[0].mean(axis=1)
    shape = asked.shape[:2]
    return {
        "Gaussian": np.linalg.norm(others, axis=1).reshape(shape),
        "memory": apart.reshape(shape),
    }


def _summaries(far: Matrix) -> dict[str, Matrix]:
    """One number (M,) for each image."""
    ordered = np.sort(far, axis=1)
    top = max(1, round(TOP * far.shape[1]))
    return {
        "largest": ordered[:, -1],
        "top 3 %": ordered[:, -top:].mean(axis=1),
        "90 % quantile": np.quantile(ordered, 0.9, axis=1),
        "mean": ordered.mean(axis=1),
        "largest less median": ordered[:, -1] - np.median(ordered, axis=1),
    }


def todays(blind: Material, known: Mask) -> dict[str, Scores]:
    """The monitor's three scores, had it all known images as its reference."""
    vectors = blind.embedding[AS_IT_IS].astype(np.float64)
    labels = np.asarray(blind.probabilities[AS_IT_IS].argmax(axis=1), np.int64)
    learned = Strangeness.of(vectors[known], labels[known], blind.groups[known])
    scores = np.zeros((len(known), len(TODAY)))
    scores[known], scores[~known] = learned.own, learned.scores(vectors[~known])
    return {f"today: {name}": scores[:, place] for place, name in enumerate(TODAY)}


def share(heard: Iterable[float]) -> float:
    return round(float(np.mean(list(heard))), 4)


def score_figures(scores: dict[str, dict[str, Scores]], seen: Material) -> dict[str, Any]:
    """By class and score; the mean over classes by score; the best score of each figure, chosen by the answer."""
    by_class: dict[str, Table] = {}
    crowds: dict[str, list[float]] = {}
    for held, of_class in scores.items():
        known = seen.labels != seen.classes.index(held)
        by_class[held] = {name: told_apart(one, known) for name, one in of_class.items()}
        for name, one in of_class.items():
            crowds.setdefault(name, []).append(crowded(one[known], seen.groups[known]))
        crowds.setdefault("by chance", []).append(crowded_by_chance(seen.groups[known]))
    means: Table = {
        name: {one: share(rows[name][one] for rows in by_class.values()) for one in FIGURES}
        for name in of_class
    }
    return {
        "by class": by_class,
        "mean of classes": means,
        "best": {held: best(rows) for held, rows in {**by_class, "mean of classes": means}.items()},
        "flagged per group that has any, at 5 %": {
            name: share(row) for name, row in crowds.items()
        },
    }


def best(rows: Table) -> dict[str, float]:
    return {one: max(row[one] for row in rows.values()) for one in FIGURES}


def told_apart(scores: Scores, known: Mask) -> dict[str, float]:
    """Area under the curve, and the share of strangers flagged where so many of the known images are."""
    limits = np.quantile(scores[known], 1.0 - np.array(RATES))
    flagged = [share(scores[~known] > limit) for limit in limits]
    return dict(
        zip(FIGURES, [round(float(roc_auc_score(~known, scores)), 4), *flagged], strict=True)
    )


def crowded(scores: Scores, groups: Labels) -> float:
    """How many images are flagged, at the last rate, of each group of which any is."""
    flagged = groups[scores > np.quantile(scores, 1.0 - RATES[-1])]
    return len(flagged) / len(np.unique(flagged))


def crowded_by_chance(groups: Labels) -> float:
    rng = np.random.default_rng(0)
    return share(crowded(rng.random(len(groups)), groups) for _ in range(200))
