"""What each training image is said to be, by its label and by the teacher, computed once before the student starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from inspection.features.extract import Features
from inspection.models.heads import Teacher
from inspection.training.labels import Rows
from inspection.training.mixing import Mixture

COMPONENTS = 128
"""Principal components of the teacher's features that a student is asked to see."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Per image: class number (N,), teacher's calibrated logits (N, C) and view of it (N, K); without a teacher None.

    -1 is no label. Once `shared`, labels are the classes' shares (N, C), all zero where there is no label.
    """

    labels: torch.Tensor
    logits: torch.Tensor | None
    features: torch.Tensor | None

    def take(self, positions: torch.Tensor | slice) -> Targets:
        """Those of the images at `positions`."""
        return self._each(lambda part: part[positions])

    def to(self, device: torch.device) -> Targets:
        """The same on `device`."""
        return self._each(lambda part: part.to(device))

    def shared(self, num_classes: int) -> Targets:
        """The same with labels as shares of the classes, which images without a label and mixed ones need."""
        known = (self.labels >= 0)[:, None]
        shares = functional.one_hot(self.labels.clamp(min=0), num_classes).float() * known
        return Targets(shares, self.logits, self.features)

    def mixed(self, mixture: Mixture, temperature: float) -> Targets:
        """Those of mixed images, once `shared`; mixed with an image without a label, an image has none."""
        shares = mixture.blend(self.labels)
        shares = shares * (shares.sum(dim=1, keepdim=True) > 0.999)
        logits = None if self.logits is None else mixture.blend_logits(self.logits, temperature)
        features = None if self.features is None else mixture.blend(self.features)
        return Targets(shares, logits, features)

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Targets:
        logits = None if self.logits is None else change(self.logits)
        features = None if self.features is None else change(self.features)
        return Targets(change(self.labels), logits, features)


def label_targets(rows: Rows) -> Targets:
    """Targets of a student that learns from labels alone."""
    return Targets(torch.from_numpy(rows.labels), None, None)


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
