"""What each training image is said to be, by its label and by the teacher, computed once before the student starts.

The teacher answers for the clean image or, asked to be consistent, for each view that the student may be shown; the
student's step then takes the answer for the very view it shows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional

from deploy.edge.files import written_aside
from inspection.features.extract import Features
from inspection.features.orientation import UPRIGHT, VIEWS
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


@dataclass(frozen=True, eq=False)
class TargetsByView:
    """Those of every training image in each view that it may be shown in (`inspection/features/orientation.py`).

    `blocks` of `images` rows each; `places` (8,): which block answers for a view. With one block all views are told the
    same.
    """

    blocks: Targets
    places: torch.Tensor
    images: int

    @property
    def labels(self) -> torch.Tensor:
        """Class numbers of the images (N,); no view changes them."""
        return self.blocks.labels[: self.images]

    def take(self, positions: torch.Tensor, views: torch.Tensor) -> Targets:
        """Those of the images at `positions`, each in its own of `views`."""
        return self.blocks.take(self.places[views] * self.images + positions)

    def save(self, path: Path) -> None:
        """Write all into one safetensors file."""
        parts = {"labels": self.blocks.labels, "places": self.places}
        parts |= {name: part for name, part in self._taught() if part is not None}
        with written_aside(path) as aside:
            save_file(parts, aside, metadata={"images": str(self.images)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        parts = load_file(path)
        blocks = Targets(parts["labels"], parts.get("logits"), parts.get("features"))
        with safe_open(path, framework="pt") as stream:
            return cls(blocks, parts["places"], int(stream.metadata()["images"]))

    def _taught(self) -> tuple[tuple[str, torch.Tensor | None], ...]:
        return ("logits", self.blocks.logits), ("features", self.blocks.features)


def label_targets(rows: Rows) -> TargetsByView:
    """Targets of a student that learns from labels alone."""
    return _by_view([(UPRIGHT, Targets(torch.from_numpy(rows.labels), None, None))])


def teacher_targets(
    rows: Rows,
    features: Features,
    teacher: Teacher,
    *,
    seed: int,
    further: Iterable[tuple[int, Features]] = (),
) -> TargetsByView:
    """Targets from the teacher's features of the clean images, and of `further` views of them.

    `further` is gone through once, so that no more than one view's features need be in memory. What the student is
    asked to see is measured in all views alike, by the components and the scale of the clean images.
    """
    lens = _lens(torch.from_numpy(teacher.head.standardised(features.rows(rows.image_ids))), seed)
    every = itertools.chain([(UPRIGHT, features)], further)
    return _by_view([(view, _answers(rows, seen, teacher, lens)) for view, seen in every])


def _by_view(answers: Sequence[tuple[int, Targets]]) -> TargetsByView:
    """Of at least the upright view, first; the views that are not there are told the same as it."""
    places = torch.zeros(VIEWS, dtype=torch.int64)
    for place, (view, _) in enumerate(answers):
        places[view] = place
    parts = [targets for _, targets in answers]
    return TargetsByView(_joined(parts), places, len(parts[0].labels))


def _joined(parts: Sequence[Targets]) -> Targets:
    if len(parts) == 1:
        return parts[0]
    logits = [part.logits for part in parts if part.logits is not None]
    features = [part.features for part in parts if part.features is not None]
    return Targets(
        torch.cat([part.labels for part in parts]),
        torch.cat(logits) if logits else None,
        torch.cat(features) if features else None,
    )


class _Lens(NamedTuple):
    """Principal components (D, K) of the teacher's features, and one scale for all of them."""

    basis: torch.Tensor
    scale: torch.Tensor


def _answers(rows: Rows, features: Features, teacher: Teacher, lens: _Lens) -> Targets:
    matrix = features.rows(rows.image_ids)
    logits = teacher.logits(matrix) / np.float32(teacher.temperature)
    return Targets(
        labels=torch.from_numpy(rows.labels),
        logits=torch.from_numpy(np.ascontiguousarray(logits)),
        features=torch.from_numpy(teacher.head.standardised(matrix)) @ lens.basis / lens.scale,
    )


def _lens(matrix: torch.Tensor, seed: int) -> _Lens:
    """The first principal components, scaled together so that the rows (N, D) have unit mean square in them."""
    components = min(COMPONENTS, *matrix.shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _, _, basis = torch.svd_lowrank(matrix, q=components, niter=3)
    return _Lens(basis, (matrix @ basis).square().mean().sqrt().clamp(min=1e-12))
