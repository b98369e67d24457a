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

from inspection.records import Record

Matrix = npt.NDArray[Any]
Points = npt.NDArray[np.float32]
Pairs = tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class Maps:
    """Points (N, 2) of the same images before and after, and the share of variance that each axis shows (2,)."""

    before: Points
    after: Points
    explained_before: tuple[float, ...]
    explained_after: tuple[float, ...]


@dataclass(frozen=True)
class FeatureMaps(Record):
    """Test images before and after tuning, row by row; empty where nothing was tuned.

    `explained_…`: share of the variance of the images shown that each axis holds, on the one basis, which
    `train_images` placed. `near_…`: each set by UMAP for itself, where asked for.
    """

    image_ids: tuple[str, ...] = ()
    before: Pairs = ()
    after: Pairs = ()
    explained_before: tuple[float, ...] = ()
    explained_after: tuple[float, ...] = ()
    near_before: Pairs | None = None
    near_after: Pairs | None = None
    train_images: int = 0


def pca_maps(
    before: Matrix,
    after: Matrix,
    *,
    fitted_on: tuple[Matrix, Matrix] | None = None,
    axes: int = 2,
) -> Maps:
    """Features (N, D) of the same images, twice, on one basis; the largest part of each axis points up.

    `fitted_on`: features (M, D) before and after of the images that centre, scale and basis are taken from; without
    it those of the images shown.
    """
    known = fitted_on or (before, after)
    shapes = {before.shape, after.shape}, {each.shape for each in known}
    if any(len(shape) > 1 for shape in shapes) or before.shape[1] != known[0].shape[1]:
        told = f"{before.shape} and {after.shape}, fitted on {known[0].shape} and {known[1].shape}"
        raise ValueError(f"one basis needs equal shapes, got {told}")
    levels = [_Level.of(rows) for rows in known]
    basis = _basis(np.concatenate([level(rows) for level, rows in zip(levels, known, strict=True)]))
    first, second = (level(rows) for level, rows in zip(levels, (before, after), strict=True))
    return Maps(
        before=(first @ basis[:, :axes]).astype(np.float32),
        after=(second @ basis[:, :axes]).astype(np.float32),
        explained_before=_shares(first, basis[:, :axes]),
        explained_after=_shares(second, basis[:, :axes]),
    )


@dataclass(frozen=True, eq=False)
class _Level:
    """Takes a mean (D,) out of rows and brings them to unit total variance."""

    mean: Matrix
    size: float

    @classmethod
    def of(cls, rows: Matrix) -> _Level:
        mean = rows.mean(axis=0, dtype=np.float64)
        size = float(np.sqrt(np.square(rows - mean).sum(axis=1).mean()))
        return cls(mean, size if size > 0 else 1.0)

    def __call__(self, rows: Matrix) -> npt.NDArray[np.float64]:
        return np.asarray((np.asarray(rows, dtype=np.float64) - self.mean) / self.size)


def _basis(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Principal directions (D, K), the strongest first; signs fixed so that equal inputs give equal pictures."""
    if rows.shape[0] > rows.shape[1]:  # thousands of images: the square of the short side is enough
        basis = np.linalg.eigh(rows.T @ rows)[1][:, ::-1]
    else:
        basis = np.linalg.svd(rows, full_matrices=False)[2].T
    top = basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])]
    return np.asarray(basis * np.where(top < 0, -1, 1))


def _shares(rows: npt.NDArray[np.float64], basis: npt.NDArray[np.float64]) -> tuple[float, ...]:
    total = float(rows.var(axis=0).sum())
    return tuple(float(value) / total if total else 0.0 for value in (rows @ basis).var(axis=0))
