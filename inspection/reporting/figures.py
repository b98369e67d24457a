"""Numbers the report works out itself: two principal components, retention of the teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inspection.evaluation.metrics import Evaluation


def retention(student: Evaluation, teacher: Evaluation) -> float:
    """The student's macro-F1 as a share of the teacher's; 0 when the teacher has none."""
    return student.macro_f1 / teacher.macro_f1 if teacher.macro_f1 else 0.0


@dataclass(frozen=True)
class Components:
    """Two principal components: `points` (N, 2) and each one's share of the variance."""

    points: npt.NDArray[np.float64]
    explained: tuple[float, float]


def principal_components(matrix: npt.NDArray[np.floating[Any]]) -> Components:
    """The first two components of features (N, D), N >= 2; signs fixed so that equal inputs give equal pictures."""
    centred = np.asarray(matrix, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    total = float((centred**2).sum())
    # The smaller Gram matrix: hundreds of images or hundreds of features, never both squared.
    wide = centred.shape[1] > centred.shape[0]
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    top = vectors[:, ::-1][:, :2]
    strength = np.sqrt(np.maximum(values[::-1][:2], 0.0))
    points = top * strength if wide else centred @ top
    points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    points *= np.where(points[np.abs(points).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    shares = [float(s * s) / total if total else 0.0 for s in strength] + [0.0]
    return Components(points, (shares[0], shares[1]))
