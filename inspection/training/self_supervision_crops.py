"""Many crops of each image, and patches to hide: drawn from one generator, cut for the whole batch at once.

Covered: any crop side, square images of any side. Not covered: anti-aliasing; a crop that is shrunk to less than half
of its pixels looks grainy, so read the images no larger than the large crops are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from inspection.features.weights import Triple
from inspection.learning_config import SelfSupervisionConfig
from inspection.training.augment import Augmentation, augment, to_network

ASPECT = math.log(4 / 3)
"""Crops are at most this much wider than high, or higher than wide (as a logarithm)."""
BLOCK_ASPECT = math.log(3.0)
"""The same for blocks of masked patches."""
GLOBAL_CROPS = 2


@dataclass(frozen=True)
class Crop:
    """`count` crops of `side` pixels that show between `scale[0]` and `scale[1]` of the image's area."""

    side: int
    count: int
    scale: tuple[float, float]


@dataclass(frozen=True)
class Views:
    """How a batch is shown: the large crops, the small ones, and how both are lit and turned."""

    large: Crop
    small: Crop
    light: Augmentation

    @classmethod
    def of(cls, config: SelfSupervisionConfig, large: int, small: int) -> Views:
        """As configured, with the sides that suit the network; light varies twice as much as for a student."""
        return cls(
            Crop(large, GLOBAL_CROPS, config.global_scale),
            Crop(small, config.local_crops, config.local_scale),
            Augmentation(config.mirror, config.turn, shift=0.0, gain=0.4, offset=0.2, noise=0.02),
        )


def cut(images: torch.Tensor, crop: Crop, generator: torch.Generator) -> torch.Tensor:
    """uint8 (N, H, W, 3) to uint8 (count * N, side, side, 3): the first crop of every image, then the second, ..."""
    boxes = _boxes(len(images) * crop.count, crop.scale, generator).to(images.device)
    pixels = images.permute(0, 3, 1, 2).float().repeat(crop.count, 1, 1, 1)
    places = functional.affine_grid(
        boxes, [len(pixels), 3, crop.side, crop.side], align_corners=False
    )
    cropped = functional.grid_sample(pixels, places, padding_mode="border", align_corners=False)
    return cropped.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def show(
    images: torch.Tensor,
    crop: Crop,
    light: Augmentation,
    generator: torch.Generator,
    normalise: tuple[Triple, Triple],
) -> torch.Tensor:
    """uint8 (N, H, W, 3) to crops as the network reads them, float (count * N, 3, side, side)."""
    return to_network(augment(cut(images, crop, generator), light, generator), *normalise)


def _boxes(count: int, scale: tuple[float, float], generator: torch.Generator) -> torch.Tensor:
    """Affine matrices (count, 2, 3) from a crop to its box in the image, both on -1..1."""
    draws = torch.rand(4, count, generator=generator)
    least, most = scale
    area = least + (most - least) * draws[0]
    stretch = torch.exp(ASPECT * (draws[1] - 0.5))
    width, height = (area.sqrt() * stretch).clamp(max=1.0), (area.sqrt() / stretch).clamp(max=1.0)
    boxes = torch.zeros(count, 2, 3)
    boxes[:, 0, 0], boxes[:, 1, 1] = width, height
    boxes[:, 0, 2] = (1.0 - width) * (2.0 * draws[2] - 1.0)
    boxes[:, 1, 2] = (1.0 - height) * (2.0 * draws[3] - 1.0)
    return boxes


def mask_blocks(
    count: int, grid: tuple[int, int], config: SelfSupervisionConfig, generator: torch.Generator
) -> torch.Tensor:
    """Patches to hide, bool (count, rows, columns): blocks in a share of the images, none in the others."""
    masks = torch.zeros(count, *grid, dtype=torch.bool)
    chosen = torch.randperm(count, generator=generator)[: round(count * config.masked_images)]
    least, most = config.masked_patches
    for place in chosen.tolist():
        share = least + (most - least) * _uniform(generator)
        wanted = max(1, int(share * grid[0] * grid[1]))
        while int(masks[place].sum()) < wanted:
            _hide_block(masks[place], wanted - int(masks[place].sum()), generator)
    return masks


def _hide_block(mask: torch.Tensor, most: int, generator: torch.Generator) -> None:
    """Hide a rectangle of at most `most` patches, in place."""
    rows, columns = mask.shape
    area = 1 + _uniform(generator) * (most - 1)
    stretch = math.exp(BLOCK_ASPECT * (_uniform(generator) - 0.5))
    height = min(rows, max(1, int(math.sqrt(area) * stretch)))
    width = min(columns, max(1, most // height), max(1, int(math.sqrt(area) / stretch)))
    top = int(_uniform(generator) * (rows - height + 1))
    left = int(_uniform(generator) * (columns - width + 1))
    mask[top : top + height, left : left + width] = True


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))
