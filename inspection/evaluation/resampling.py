"""What the figures would have been with other test images and other seeds: draws of both at once.

Groups of test images are resampled whole. Seeds are few, and resampling three of them never shows more than those three
(simulated: intervals that claim 95 % then hold 84 to 90 %). Their part is therefore drawn from Student's t around the
mean. Its spread is the recipe's own over its seeds, or what the pooled spread of all recipes gives for its score where
that is larger: pooled is the variance over p (1 - p), because a recipe of 0.5 varies more than one of 0.99. Its degrees
of freedom are the pooled ones.
Without a second seed anywhere, that part is nothing, and whoever shows the interval must say so.

Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), 3.8, for the hierarchy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspection.evaluation.recipes import Answered

Floats = npt.NDArray[np.float64]
METRICS = ("accuracy", "macro_f1", "balanced_accuracy")
DRAWS = 2000
CELLS = 4_000_000
"""Weights held at once: draws x groups."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Resampled figures: `scores[metric]` (R, B), mean over seeds; `won` (R, B): see `difference`."""

    scores: dict[str, Floats]
    won: Floats
    ghosts: Floats
    spread: Floats

    def difference(self, first: int, second: int) -> Floats:
        """Accuracy of `first` less that of `second` (B,), on the same resampled images.

        Two imaginary images, one won by each, stand among the real ones, so that recipes which never disagreed are not
        called equal for certain (Bonett and Price, Journal of Educational and Behavioral Statistics 37, 2012).
        """
        images = self.won[first] - self.won[second] + self.ghosts
        return np.asarray(images + self.spread[first] - self.spread[second], dtype=np.float64)


def draw(found: Answered, *, seed: int, draws: int = DRAWS) -> Draws:
    """`draws` resamplings of images and seeds; equal inputs give equal draws."""
    generator = np.random.default_rng(seed)
    measured, shares, ghosts = _image_draws(found, draws, generator)
    observed = np.stack([_scores(_tables(found, called)[None]) for called in _flat(found)])[:, 0]
    owners = _owners(found)
    noise = generator.standard_t(max(1, _freedom(found)), (len(found.called), draws))
    scores = {}
    spreads = {}
    for k, name in enumerate(METRICS):
        errors = _seed_errors(observed[:, k], owners, images=len(found.true))
        spread = errors[:, None] * noise
        means = _by_recipe(measured[:, :, k].T, owners)
        scores[name], spreads[name] = means + spread, spread
    won = _by_recipe(shares.T, owners)
    return Draws(scores, won, ghosts, spreads["accuracy"])


def interval(values: Floats) -> tuple[float, float]:
    """The middle 95 % of draws."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def two_sided(differences: Floats) -> float:
    """How often draws fall on the other side of nothing, twice; never 0, because draws are finite."""
    count = len(differences)
    fewer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2.0 * (1 + fewer) / (1 + count))


def _image_draws(
    found: Answered, draws: int, generator: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Figures (B, runs, 3) on resampled groups; shares right among real and imaginary images; the latter's own part."""
    groups = int(found.groups.max()) + 1
    sums = np.stack([_grouped(found, called, groups) for called in _flat(found)])
    runs, _, cells = sums.shape
    flat = sums.transpose(1, 0, 2).reshape(groups, runs * cells)
    measured, shares, ghosts = [], [], []
    for weights, imaginary in _weights(groups, draws, generator):
        tables = (weights @ flat).reshape(len(weights), runs, 3, -1)
        measured.append(_scores(tables))
        images = tables[:, 0, 0].sum(axis=1) + imaginary.sum(axis=1)
        shares.append(tables[:, :, 1].sum(axis=2) / np.maximum(images, 1.0)[:, None])
        ghosts.append((imaginary[:, 0] - imaginary[:, 1]) / np.maximum(images, 1.0))
    return np.concatenate(measured), np.concatenate(shares), np.concatenate(ghosts)


def _weights(
    groups: int, draws: int, generator: np.random.Generator
) -> Iterator[tuple[Floats, Floats]]:
    """How often each group (b, G) and each of the two imaginary images (b, 2) is drawn, in portions."""
    size = groups + 2
    portion = max(1, CELLS // size)
    for start in range(0, draws, portion):
        rows = min(portion, draws - start)
        picked = generator.integers(0, size, (rows, size)) + size * np.arange(rows)[:, None]
        counts = np.bincount(picked.ravel(), minlength=rows * size).reshape(rows, size)
        yield counts[:, :groups].astype(np.float64), counts[:, groups:].astype(np.float64)


def _grouped(found: Answered, called: npt.NDArray[np.int64], groups: int) -> Floats:
    """Per group (G, 3 C): images of each class, those recognised, those called so."""
    classes = len(found.classes)
    hit = found.true == called
    parts = [(found.true, None), (found.true, hit), (called, None)]
    columns = [
        np.bincount(
            found.groups * classes + which,
            weights=None if only is None else only.astype(np.float64),
            minlength=groups * classes,
        ).reshape(groups, classes)
        for which, only in parts
    ]
    return np.concatenate(columns, axis=1).astype(np.float64)


def _tables(found: Answered, called: npt.NDArray[np.int64]) -> Floats:
    """Support, hits and calls by class (3, C) on the images as they are."""
    groups = int(found.groups.max()) + 1
    sums: Floats = _grouped(found, called, groups).sum(axis=0)
    return sums.reshape(3, len(found.classes))


def _scores(tables: Floats) -> Floats:
    """Accuracy, macro-F1, balanced accuracy (..., 3) from (..., 3, C); means run over classes that have images."""
    support, hits, calls = tables[..., 0, :], tables[..., 1, :], tables[..., 2, :]
    present = support > 0
    classes = np.maximum(present.sum(axis=-1), 1)
    f1 = np.where(present, 2 * hits / np.maximum(support + calls, 1.0), 0.0)
    recall = np.where(present, hits / np.maximum(support, 1.0), 0.0)
    accuracy = hits.sum(axis=-1) / np.maximum(support.sum(axis=-1), 1.0)
    means = (accuracy, f1.sum(axis=-1) / classes, recall.sum(axis=-1) / classes)
    return np.stack(means, axis=-1)


def _flat(found: Answered) -> npt.NDArray[np.int64]:
    return np.concatenate(found.called)


def _owners(found: Answered) -> npt.NDArray[np.int64]:
    """Which recipe each run belongs to."""
    return np.repeat(np.arange(len(found.called)), [len(called) for called in found.called])


def _freedom(found: Answered) -> int:
    return sum(len(called) - 1 for called in found.called)


def _by_recipe(runs: Floats, owners: npt.NDArray[np.int64]) -> Floats:
    """Means over each recipe's runs: (runs, B) to (R, B)."""
    return np.stack([runs[owners == r].mean(axis=0) for r in range(owners[-1] + 1)])


def _seed_errors(observed: Floats, owners: npt.NDArray[np.int64], *, images: int) -> Floats:
    """Standard error (R,) of each recipe's mean over its seeds."""
    mine: Sequence[Floats] = [observed[owners == r] for r in range(owners[-1] + 1)]
    squares = np.array([float(((runs - runs.mean()) ** 2).sum()) for runs in mine])
    counts = np.array([len(runs) for runs in mine])
    freedom = int((counts - 1).sum())
    if freedom == 0:
        return np.zeros(len(mine))
    # Two hits and two misses more (Agresti and Coull): a score of 1 has not proved that it cannot vary.
    means = (np.array([runs.mean() for runs in mine]) * images + 2) / (images + 4)
    scale = means * (1 - means)
    pooled = scale * (squares / scale).sum() / freedom
    own = squares / np.maximum(counts - 1, 1)
    return np.asarray(np.sqrt(np.maximum(own, pooled) / counts), dtype=np.float64)
