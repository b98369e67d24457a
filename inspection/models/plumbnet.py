"""PlumbNet: a small plain CNN for surfaces, made to train fast on CPUs and to lose little in INT8.

Only convolution, batch norm, ReLU and addition: everything folds, fuses and quantises per channel on every runtime.
No depthwise convolutions and no squeeze-and-excitation, whose INT8 kernels are slow or fragile.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class ConvBlock(nn.Sequential):
    """3x3 convolution, batch norm, ReLU; `stride` 2 halves the map, rounding up."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """Two convolutions beside a plain connection: x + f(x), then ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvBlock(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        # Starts as the identity: the first steps then train a shallower, steadier network.
        nn.init.zeros_(self.norm.weight)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) to the same shape."""
        return torch.relu(maps + self.norm(self.second(self.first(maps))))


class PlumbNet(nn.Module):
    """Normalised float (N, 3, H, W) to feature maps (N, channels[-1], H/2^k, W/2^k), k = len(channels)."""

    def __init__(self, channels: Sequence[int], residuals: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [ConvBlock(3, channels[0], stride=2)]
        steps = zip(channels[:-1], channels[1:], residuals, strict=True)
        for inputs, outputs, blocks in steps:
            layers.append(ConvBlock(inputs, outputs, stride=2))
            layers.extend(ResidualBlock(outputs) for _ in range(blocks))
        self.layers = nn.Sequential(*layers)
        self.channels = channels[-1]

    def own_stages(self) -> list[list[nn.Module]]:
        """Layers by resolution: each halving of the maps begins a stage."""
        stages: list[list[nn.Module]] = []
        for layer in self.layers:
            if isinstance(layer, ConvBlock):
                stages.append([])
            stages[-1].append(layer)
        return stages

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The last feature maps."""
        return torch.as_tensor(self.layers(images))


class SurfacePool(nn.Module):
    """Mean and maximum of each map, side by side: the texture, and the loudest spot on it."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) to (N, 2C)."""
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)
