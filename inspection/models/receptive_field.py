"""Where on the input the cells of a feature map lie.

A 3 x 3 convolution with stride 2 and one pixel of padding looks at pixels 0, 2, 4 …, not at the middles of pairs: after
four of them, a map that is simply stretched over the image lies half a cell off. Source of the arithmetic: Araujo,
Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks (Distill, 2019).
Covered: convolutions and pools. Not covered: other ways to shrink (`Trail.axis` then takes cells for equal tiles).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn

SHRINKING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
MOST_STEPS = 64
"""More changes of size than any network makes."""


class Axis(NamedTuple):
    """Cell i of a map has its centre at pixel `start` + i * `jump`."""

    start: float
    jump: float

    @classmethod
    def tiles(cls, length: int, cells: int) -> Axis:
        """Cells as equal tiles of the input."""
        jump = length / cells
        return cls((jump - 1.0) / 2.0, jump)

    def weights(self, length: int, cells: int) -> torch.Tensor:
        """(length, cells): how much of each cell's value a pixel takes, linear between centres, level beyond them."""
        places = (torch.arange(length, dtype=torch.float32) - self.start) / self.jump
        places = places.clamp(0, cells - 1)[:, None]
        return (1.0 - (places - torch.arange(cells)).abs()).clamp_min(0.0)


class _Change(NamedTuple):
    """One change of size along one axis."""

    before: int
    after: int
    lead: float
    """Where the first output lies, in steps of the input."""
    stride: int


@dataclass
class Trail:
    """The changes of size in a forward pass, noted module by module, for rows and for columns."""

    rows: list[_Change] = field(default_factory=list)
    columns: list[_Change] = field(default_factory=list)

    def note(self, module: nn.Module, before: torch.Tensor, after: torch.Tensor) -> None:
        """Remember what `module` did to maps (N, C, h, w), if it is one that shrinks by a rule."""
        if not isinstance(module, SHRINKING) or before.dim() != 4:
            return
        for place, changes in enumerate((self.rows, self.columns)):
            sizes = int(before.shape[place - 2]), int(after.shape[place - 2])
            if sizes[0] != sizes[1]:
                changes.append(_change(module, place, *sizes))

    def axis(self, changes: Sequence[_Change], length: int, cells: int) -> Axis:
        """From `length` pixels to `cells` by the first module that changed each size; else equal tiles."""
        start, jump, size = 0.0, 1.0, length
        for _ in range(MOST_STEPS):
            if size == cells:
                return Axis(start, jump)
            step = next((change for change in changes if change.before == size), None)
            if step is None:
                break
            start, jump, size = start + step.lead * jump, jump * step.stride, step.after
        return Axis.tiles(length, cells)


def _change(module: nn.Module, place: int, before: int, after: int) -> _Change:
    kernel, stride = _of(module, "kernel_size", place), _of(module, "stride", place)
    reach = _of(module, "dilation", place, 1) * (kernel - 1)
    padding = _of(module, "padding", place)
    if padding == 0:
        # Padded as needed before the arithmetic, as TensorFlow does ("same"): the smaller half comes first.
        padding = max(0, (after - 1) * stride + reach + 1 - before) // 2
    return _Change(before, after, reach / 2.0 - padding, stride)


def _of(module: nn.Module, name: str, place: int, default: int = 0) -> int:
    value: Any = getattr(module, name, default)
    if isinstance(value, tuple):
        value = value[place]
    return int(value) if not isinstance(value, str) else 0
