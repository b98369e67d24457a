"""A batch in several passes, for memory that does not hold it at once: the gradients are those of the whole batch.

Not the same in pieces: batch norm, whose statistics are of the images that pass together.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd.function import once_differentiable


def cut(count: int, at_once: int) -> list[slice]:
    """Slices of about equal length, at most `at_once`, never of one image (batch norm needs two)."""
    pieces = max(1, min(-(-count // at_once), count // 2))
    bounds = [number * count // pieces for number in range(pieces + 1)]
    return [slice(start, end) for start, end in itertools.pairwise(bounds)]


def share(count: int, rank: int, world: int) -> tuple[slice, slice]:
    """What `rank` of `world` takes of a batch: the images to pass, at least two (batch norm), and which are its own.

    The second slice counts inside the first; what is passed but not its own is to weigh nothing. It may be empty.
    """
    start, end = rank * count // world, (rank + 1) * count // world
    first = max(0, min(start, count - 2))
    last = min(count, max(end, first + 2))
    return slice(first, last), slice(start - first, end - first)


class ShareOfDropout(torch.nn.Dropout):
    """Dropout that draws for a whole batch and applies what falls on this process' rows of it."""

    rows: tuple[int, slice] | None = None
    """How many rows the batch has, and which of them pass here."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Values (N, E); of a batch cut further, whose place is not known, as torch does it."""
        if self.rows is None or not self.training or self.p == 0:
            return super().forward(values)
        count, passed = self.rows
        if len(range(count)[passed]) != len(values):
            return super().forward(values)
        drawn = torch.empty(count, *values.shape[1:]).bernoulli_(1.0 - self.p)[passed]
        return values * drawn.to(values) / (1.0 - self.p)


class Gradients:
    """The sum of the gradients of several losses; each loss's graph is gone once it is added."""

    def __init__(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.sums: list[torch.Tensor | None] = [None] * len(self.parameters)

    def add(self, loss: torch.Tensor) -> None:
        """Add those of `loss`."""
        found = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        self.sums = [
            new if sofar is None else sofar if new is None else sofar.add_(new)
            for sofar, new in zip(self.sums, found, strict=True)
        ]


def with_gradients(value: float, gradients: Gradients) -> torch.Tensor:
    """A loss of this value whose backward pass yields these gradients: a loop needs not know of the pieces."""
    loss: torch.Tensor = _Known.apply(value, gradients.sums, *gradients.parameters)
    return loss


class _Known(torch.autograd.Function):
    """A scalar with gradients that are known beforehand."""

    @staticmethod
    def forward(
        ctx: Any, value: float, sums: list[torch.Tensor | None], *parameters: torch.Tensor
    ) -> torch.Tensor:
        ctx.sums = sums
        return parameters[0].new_tensor(value)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        # Not one: a gradient scaler multiplies the loss.
        return None, None, *(None if known is None else known * factor for known in ctx.sums)
