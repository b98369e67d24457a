"""Which images make up which batch: a function of the seed and the step, so that a run can go on from any step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.utils.data import IterableDataset

from inspection.errors import DataError
from inspection.training.augment import generator_for
from inspection.training.pixels import AHEAD


class Batch(NamedTuple):
    """The step, counted from the start of the run, and positions (B,) of its images in the training set."""

    step: int
    positions: torch.Tensor


@dataclass(frozen=True)
class Plan:
    """How many images, in which batches; a last batch of one is left out (batch norm needs two)."""

    images: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if self.images < 2:
            raise DataError(
                f"training needs at least 2 images in the train split, got {self.images}: add images"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the images."""
        whole, rest = divmod(self.images, self.batch_size)
        return whole + (rest > 1)

    def rest_of_epoch(self, step: int) -> Iterator[Batch]:
        """The batches from `step` to the end of its epoch."""
        epoch, first = divmod(step, self.steps_per_epoch)
        order = torch.randperm(self.images, generator=generator_for(self.seed, 0, epoch))
        batches = torch.split(order, self.batch_size)[: self.steps_per_epoch]
        for place in range(first, self.steps_per_epoch):
            yield Batch(step + place - first, batches[place])


class EpochStream(IterableDataset[Batch]):
    """Each iteration yields what is left of the epoch that `position()`, the count of finished steps, lies in."""

    def __init__(
        self,
        plan: Plan,
        position: Callable[[], int],
        announce: Callable[[torch.Tensor], None] | None = None,
    ) -> None:
        self.plan = plan
        self.position = position
        self.announce = announce
        """Told the positions of a batch and of the next `AHEAD`, so that they can be read meanwhile."""

    def __iter__(self) -> Iterator[Batch]:
        if self.announce is None:
            yield from self.plan.rest_of_epoch(self.position())
            return
        batches = list(self.plan.rest_of_epoch(self.position()))
        for place, batch in enumerate(batches):
            for coming in batches[place : place + AHEAD + 1]:
                self.announce(coming.positions)
            yield batch
