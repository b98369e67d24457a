"""From a network's inner maps or tokens to one vector per image.

`levels` joins the network's own embedding with mean, maximum and spread of its inner feature maps: a scratch of a few
pixels is loud in an early map's maximum and gone from the last map's mean. `cls` is a transformer's class token,
`patches` the mean of its patch tokens without class and register tokens (of a CNN: the mean of the last map).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from inspection.errors import WeightsError

RECIPES: Mapping[str, str] = {
    "levels": "head+levels(mean,max,std) v1",
    "cls": "cls v1",
    "patches": "patches(mean) v1",
    "cls+patches": "cls+patches(mean) v1",
}
"""Part of every cache key: change it when the vector changes its meaning."""
PYRAMID_LEVELS = 6
"""Networks with more levels than this are stacks of equal blocks (transformers)..."""
BLOCKS_READ = 2
"""... of which the last few say it all."""

Take = Callable[[torch.Tensor], torch.Tensor]


def pooled(network: nn.Module, pooling: str, name: str) -> nn.Module:
    """`network` with a way of pooling from `RECIPES`; WeightsError where the network has no such thing."""
    if pooling == "levels":
        return PooledLevels(network)
    parts = pooling.split("+")
    if "cls" in parts and getattr(network, "cls_token", None) is None:
        raise WeightsError(
            f"network '{name}' has no class token: set teacher.pooling to 'patches' or 'levels'"
        )
    return PooledTokens(network, parts, name)


class PooledLevels(nn.Module):
    """The network's embedding and the pooled statistics of its feature maps, side by side."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        levels = len(getattr(network, "feature_info", None) or [])
        self.levels = levels if levels <= PYRAMID_LEVELS else BLOCKS_READ

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised float (N, 3, H, W) to (N, D)."""
        network: Any = self.network
        if self.levels == 0 or not hasattr(network, "forward_intermediates"):
            features = network.forward_features(images)
            return torch.as_tensor(network.forward_head(features, pre_logits=True))
        features, maps = network.forward_intermediates(images, indices=self.levels)
        head = network.forward_head(features, pre_logits=True)
        statistics = [statistic for level in maps for statistic in _statistics(level)]
        return torch.cat([head, *statistics], dim=1)


class PooledTokens(nn.Module):
    """Class token and mean of the patch tokens after the network's last norm, as timm's `forward_features` has them."""

    def __init__(self, network: nn.Module, parts: list[str], name: str) -> None:
        super().__init__()
        self.network = network
        self.parts = tuple(parts)
        self.name = name
        has_class_token = getattr(network, "cls_token", None) is not None
        # Class token first, then registers, then patches.
        self.prefix = int(getattr(network, "num_prefix_tokens", None) or has_class_token)
        self.channels_last = getattr(network, "output_fmt", None) == "NHWC"

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised float (N, 3, H, W) to (N, D)."""
        network: Any = self.network
        features = network.forward_features(images)
        takes: dict[str, Take] = {"cls": _class_token, "patches": self._patches}
        return torch.cat([takes[part](features) for part in self.parts], dim=1)

    def _patches(self, features: torch.Tensor) -> torch.Tensor:
        if not isinstance(features, torch.Tensor) or features.ndim not in (3, 4):
            raise WeightsError(
                f"network '{self.name}' ends in neither a map nor tokens: set teacher.pooling=levels"
            )
        if features.ndim == 3:
            return features[:, self.prefix :].mean(1)
        return features.mean((1, 2) if self.channels_last else (2, 3))


def _class_token(features: torch.Tensor) -> torch.Tensor:
    return features[:, 0]


def _statistics(level: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # On a CPU torch's own amax and std take a tenth of a small network's time, these a hundredth.
    mean = level.mean((2, 3), keepdim=True)
    spread = (level - mean).square_().mean((2, 3)).sqrt_()
    return mean.flatten(1), functional.adaptive_max_pool2d(level, 1).flatten(1), spread
