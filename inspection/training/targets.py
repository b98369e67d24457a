"""What the teacher says of each training image, computed once before the student starts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from inspection.features.extract import Features
from inspection.models.heads import Teacher
from inspection.training.labels import Rows

COMPONENTS = 128
"""Principal components of the teacher's features that a student is asked to see."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Per training image: class number (N,), teacher's calibrated logits (N, C) and view of it (N, K)."""

    labels: torch.Tensor
    logits: torch.Tensor
    features: torch.Tensor


def teacher_targets(rows: Rows, features: Features, teacher: Teacher, *, seed: int) -> Targets:
    """Targets from the teacher's features of the clean images."""
    matrix = features.rows(rows.image_ids)
    logits = teacher.logits(matrix) / np.float32(teacher.temperature)
    return Targets(
        labels=torch.from_numpy(rows.labels),
        logits=torch.from_numpy(np.ascontiguousarray(logits)),
        features=_principal(torch.from_numpy(teacher.head.standardised(matrix)), seed),
    )


def _principal(matrix: torch.Tensor, seed: int) -> torch.Tensor:
    """The first principal components (N, K), scaled together to unit mean square."""
    components = min(COMPONENTS, *matrix.shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _, _, basis = torch.svd_lowrank(matrix, q=components, niter=3)
    view = matrix @ basis
    return view / view.square().mean().sqrt().clamp(min=1e-12)
