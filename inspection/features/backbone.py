"""The teacher's eyes: a frozen timm network that turns an image into one long vector.

Which vector: `inspection/features/pooling.py`. Which networks: `inspection/features/names.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from inspection.errors import WeightsError
from inspection.features.device import multiplies_bfloat16
from inspection.features.names import timm_name
from inspection.features.pooling import RECIPES, pooled
from inspection.features.weights import Blueprint, Network, Triple, create_network
from inspection.learning_config import TeacherConfig
from inspection.records import Record

BFLOAT16 = ", bfloat16"
"""Behind the pooling's name, and so in every cache key, when the network multiplied in bfloat16."""


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
    pooling: str = RECIPES["levels"]
    """What the vector is, and in which arithmetic if not float32."""


@dataclass(frozen=True)
class Backbone:
    """A frozen network; `module` maps normalised float (N, 3, S, S) to (N, embedding_size)."""

    module: nn.Module
    info: BackboneInfo

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.module.parameters()).device

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
        half = self.info.pooling.endswith(BFLOAT16)
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=half)
        with torch.inference_mode(), autocast:
            pixels = torch.from_numpy(images).to(self.device)
            batch = normalised(pixels, self.info.mean, self.info.std)
            vectors: npt.NDArray[np.float32] = self.module(batch).float().cpu().numpy()
        return vectors


def load_backbone(config: TeacherConfig, *, seed: int, device: str = "cpu") -> Backbone:
    """The configured backbone, frozen, in evaluation mode, on `device` (a torch name)."""
    blueprint = Blueprint(config.backbone, config.image_size, config.pad_same)
    network = create_network(blueprint, config.weights, seed=seed)
    module = pooled(network.module, config.pooling, config.backbone).eval().requires_grad_(False)
    size = embedding_size(module, config.backbone, config.image_size, key="teacher.image_size")
    info = _info(config, network, size, recipe_name(config, device))
    return Backbone(module.to(device).to(memory_format=torch.channels_last), info)


def recipe_name(config: TeacherConfig, device: str) -> str:
    """What the vector is, as `BackboneInfo.pooling` and the cache keys have it."""
    half = config.precision == "auto" and multiplies_bfloat16(device)
    return RECIPES[config.pooling] + (BFLOAT16 if half else "")


def normalised(pixels: torch.Tensor, mean: Triple, std: Triple) -> torch.Tensor:
    """uint8 (N, H, W, 3) as float (N, 3, H, W), (x / 255 - mean) / std, channels last in memory."""
    scale = torch.tensor(std, device=pixels.device) * 255.0
    shift = torch.tensor(mean, device=pixels.device) * 255.0
    return ((pixels.float() - shift) / scale).permute(0, 3, 1, 2)


def embedding_size(module: nn.Module, name: str, image_size: int, *, key: str) -> int:
    """Length of what `module`, in evaluation mode, makes of one image; `key` names the config key at fault."""
    _check_patches(module, name, image_size, key)
    try:
        with torch.inference_mode():
            return int(module(torch.zeros(1, 3, image_size, image_size)).shape[1])
    except (AssertionError, RuntimeError) as error:
        raise WeightsError(
            f"network '{name}' cannot read images of {image_size} x {image_size} ({error}): "
            f"set {key} to a size it was made for"
        ) from error


def _check_patches(module: nn.Module, name: str, image_size: int, key: str) -> None:
    """A plain transformer would drop the pixels beyond its last whole patch without a word."""
    network: Any = getattr(module, "network", module)
    side = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    if getattr(network, "num_prefix_tokens", None) is None or not isinstance(side, tuple):
        return
    if image_size % side[0] == 0 or getattr(network.patch_embed, "dynamic_img_pad", False):
        return
    below = image_size // side[0] * side[0]
    near = [str(size) for size in (below, below + side[0]) if size > 0]
    raise WeightsError(
        f"network '{name}' cuts images into patches of {side[0]} x {side[0]} pixels and {image_size} is no "
        f"multiple of that: set {key} to {' or '.join(near)}"
    )


def _info(
    config: TeacherConfig, network: Network, embedding_size: int, pooling: str
) -> BackboneInfo:
    return BackboneInfo(
        name=timm_name(config.backbone),
        weights=network.source,
        weights_digest=network.digest,
        licence=network.licence,
        embedding_size=embedding_size,
        image_size=config.image_size,
        mean=network.mean,
        std=network.std,
        parameters=sum(parameter.numel() for parameter in network.module.parameters()),
        pad_same=network.pad_same,
        pooling=pooling,
    )
