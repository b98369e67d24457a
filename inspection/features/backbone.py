"""The teacher's eyes: a frozen timm network that turns an image into one long vector.

The vector joins the network's own embedding with mean, maximum and spread of its inner feature maps: a scratch of a
few pixels is loud in an early map's maximum and gone from the last map's mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from inspection.config import TeacherConfig
from inspection.errors import WeightsError
from inspection.features.weights import Blueprint, Network, Triple, create_network
from inspection.records import Record

POOLING = "head+levels(mean,max,std) v1"
"""Part of every cache key: change it when the vector changes its meaning."""
PYRAMID_LEVELS = 6
"""Networks with more levels than this are stacks of equal blocks (transformers)..."""
BLOCKS_READ = 2
"""... of which the last few say it all."""


@dataclass(frozen=True)
class BackboneInfo(Record):
    """What made a feature vector, for cache keys, reports and licences."""

    name: str
    weights: str
    """`none`, a hub id, or the file's name."""
    weights_digest: str
    licence: str
    embedding_size: int
    image_size: int
    mean: Triple
    std: Triple
    parameters: int
    pad_same: bool = False
    pooling: str = POOLING


@dataclass(frozen=True)
class Backbone:
    """A frozen network; `module` maps normalised float (N, 3, S, S) to (N, embedding_size)."""

    module: nn.Module
    info: BackboneInfo

    @property
    def name(self) -> str:
        """timm's name of the network."""
        return self.info.name

    @property
    def embedding_size(self) -> int:
        """Length of the feature vector."""
        return self.info.embedding_size

    @property
    def image_size(self) -> int:
        """Side of the square input in pixels."""
        return self.info.image_size

    @property
    def weights_digest(self) -> str:
        """Content address of every tensor in use."""
        return self.info.weights_digest

    def embed(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Vectors (N, D) of uint8 RGB images (N, S, S, 3), on the module's device."""
        device = next(self.module.parameters()).device
        with torch.inference_mode():
            pixels = torch.from_numpy(images).to(device)
            batch = normalised(pixels, self.info.mean, self.info.std)
            vectors: npt.NDArray[np.float32] = self.module(batch).float().cpu().numpy()
        return vectors


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
        pooled = [statistic for level in maps for statistic in _pooled(level)]
        return torch.cat([head, *pooled], dim=1)


def load_backbone(config: TeacherConfig, *, seed: int, device: str = "cpu") -> Backbone:
    """The configured backbone, frozen, in evaluation mode, on `device` (a torch name)."""
    blueprint = Blueprint(config.backbone, config.image_size, config.pad_same)
    network = create_network(blueprint, config.weights, seed=seed)
    module = PooledLevels(network.module).eval().requires_grad_(False)
    size = embedding_size(module, config.backbone, config.image_size, key="teacher.image_size")
    info = _info(config, network, size)
    return Backbone(module.to(device).to(memory_format=torch.channels_last), info)


def normalised(pixels: torch.Tensor, mean: Triple, std: Triple) -> torch.Tensor:
    """uint8 (N, H, W, 3) as float (N, 3, H, W), (x / 255 - mean) / std, channels last in memory."""
    scale = torch.tensor(std, device=pixels.device) * 255.0
    shift = torch.tensor(mean, device=pixels.device) * 255.0
    return ((pixels.float() - shift) / scale).permute(0, 3, 1, 2)


def _pooled(level: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    flat = level.flatten(2)
    return flat.mean(2), flat.amax(2), flat.std(2, correction=0)


def embedding_size(module: nn.Module, name: str, image_size: int, *, key: str) -> int:
    """Length of what `module`, in evaluation mode, makes of one image; `key` names the config key at fault."""
    try:
        with torch.inference_mode():
            return int(module(torch.zeros(1, 3, image_size, image_size)).shape[1])
    except (AssertionError, RuntimeError) as error:
        raise WeightsError(
            f"network '{name}' cannot read images of {image_size} x {image_size} ({error}): "
            f"set {key} to a size it was made for"
        ) from error


def _info(config: TeacherConfig, network: Network, embedding_size: int) -> BackboneInfo:
    return BackboneInfo(
        name=config.backbone,
        weights=network.source,
        weights_digest=network.digest,
        licence=network.licence,
        embedding_size=embedding_size,
        image_size=config.image_size,
        mean=network.mean,
        std=network.std,
        parameters=sum(parameter.numel() for parameter in network.module.parameters()),
        pad_same=network.pad_same,
    )
