"""Features before and after tuning as points in the plane: on one PCA basis, and by UMAP.

The PCA basis is fitted on both sets together. A basis of the features from before would show only how tuning moved
images along old directions, and make everything new look like a shrinking; together, both are treated alike. Each set
is centred and brought to unit total variance by itself first: else the first axis would show nothing but which network
made the point. UMAP's axes mean nothing, so each set gets a map of its own.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[Any]
Points = npt.NDArray[np.float32]

NEIGHBOURS = 15
FEWEST = 4
"""UMAP needs a few points to have neighbours at all."""


@dataclass(frozen=True, eq=False)
class Maps:
    """Points (N, 2) of the same images before and after, and the share of variance that each axis shows (2,)."""

    before: Points
    after: Points
    explained_before: tuple[float, ...]
    explained_after: tuple[float, ...]


def pca_maps(before: Matrix, after: Matrix, *, axes: int = 2) -> Maps:
    """Features (N, D) of the same images, twice, on one basis; the largest part of each axis points up."""
    if before.shape != after.shape:
        raise ValueError(f"one basis needs equal shapes, got {before.shape} and {after.shape}")
    first, second = _levelled(before), _levelled(after)
    _, _, rows = np.linalg.svd(np.concatenate([first, second]), full_matrices=False)
    basis = rows[:axes].T
    basis = basis * np.where(
        basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])] < 0, -1, 1
    )
    points = first @ basis, second @ basis
    return Maps(
        before=points[0].astype(np.float32),
        after=points[1].astype(np.float32),
        explained_before=_shares(points[0]),
        explained_after=_shares(points[1]),
    )


def umap_map(features: Matrix, *, seed: int, neighbours: int = NEIGHBOURS) -> Points:
    """Features (N, D) as points (N, 2); the same seed gives the same map. Zeros for fewer than four images."""
    if len(features) < FEWEST:
        return np.zeros((len(features), 2), dtype=np.float32)
    with (
        warnings.catch_warnings()
    ):  # numba's and scikit-learn's notices on import and fit are not ours
        warnings.simplefilter("ignore")
        from umap import UMAP  # seconds, numba's mostly

        near = min(neighbours, len(features) - 1)
        # Spectral starts fail on graphs that fall apart, which small sets do.
        start = "spectral" if len(features) > 4 * near else "random"
        model = UMAP(n_neighbors=near, random_state=seed, n_jobs=1, init=start, verbose=False)
        points: Points = np.asarray(model.fit_transform(_levelled(features)), dtype=np.float32)
    return points


def _levelled(features: Matrix) -> npt.NDArray[np.float64]:
    """Centred, total variance 1."""
    rows = np.asarray(features, dtype=np.float64) - features.mean(axis=0, dtype=np.float64)
    size = np.sqrt(np.square(rows).sum(axis=1).mean())
    return np.asarray(rows / size if size > 0 else rows)


def _shares(points: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.square(points).mean(axis=0))
