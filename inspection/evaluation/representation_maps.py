"""Features before and after tuning as points in the plane, on one PCA basis.

The PCA basis is fitted on both sets together. A basis of the features from before would show only how tuning moved
images along old directions, and make everything new look like a shrinking; together, both are treated alike. Each set
is centred and brought to unit total variance by itself first: else the first axis would show nothing but which network
made the point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[Any]
Points = npt.NDArray[np.float32]


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


def _levelled(features: Matrix) -> npt.NDArray[np.float64]:
    """Centred, total variance 1."""
    rows = np.asarray(features, dtype=np.float64) - features.mean(axis=0, dtype=np.float64)
    size = np.sqrt(np.square(rows).sum(axis=1).mean())
    return np.asarray(rows / size if size > 0 else rows)


def _shares(points: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.square(points).mean(axis=0))
