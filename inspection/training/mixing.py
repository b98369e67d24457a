"""Two images in one, and their targets in the same proportion: mixup and cutmix.

Sources: Zhang et al., mixup (2018); Yun et al., CutMix (2019). Everything is drawn from the given numbers, so a step
mixes the same images whenever it is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from inspection.training.augment import generator_for

Kind = Literal["mixup", "cutmix"]

MIXUP_ALPHA = 0.2
"""Of the Beta distribution of shares: mostly one image with a breath of another, as Zhang et al. had on ImageNet."""
CUTMIX_ALPHA = 1.0
"""All sizes of patch alike, as Yun et al. had."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """For each image of a batch: its partner's place (N,) in the batch and its own share (N,), 0..1."""

    partner: torch.Tensor
    share: torch.Tensor

    def blend(self, values: torch.Tensor) -> torch.Tensor:
        """Rows (N, K) with their partners' mixed in; rows that sum to one still do."""
        share = self.share.to(values.device)[:, None]
        return share * values + (1.0 - share) * values[self.partner.to(values.device)]

    def blend_logits(self, logits: torch.Tensor, temperature: float) -> torch.Tensor:
        """Logits (N, C) whose softmax at `temperature` is the blend of both images' softmaxes at it."""
        softened = torch.softmax(logits / temperature, dim=1)
        return temperature * self.blend(softened).clamp(min=1e-30).log()


def mix_images(
    images: torch.Tensor, kind: Kind, seed: int, step: int
) -> tuple[torch.Tensor, Mixture]:
    """Float (N, H, W, 3) mixed with a shuffle of itself; equal seeds and steps mix equally."""
    generator = generator_for(seed, 2, step)
    count = len(images)
    partner = torch.randperm(count, generator=generator)
    alpha = MIXUP_ALPHA if kind == "mixup" else CUTMIX_ALPHA
    # torch's Beta takes no generator.
    drawn = np.random.default_rng(generator.initial_seed()).beta(alpha, alpha, count)
    share = torch.from_numpy(drawn.astype(np.float32))
    if kind == "mixup":
        own = share.to(images.device)[:, None, None, None]
        others = images[partner.to(images.device)]
        return own * images + (1.0 - own) * others, Mixture(partner, share)
    patch = _patches(share, images.shape[1], images.shape[2], generator)
    mixed = torch.where(patch.to(images.device)[..., None], images[partner], images)
    # What is pasted may be cut off at the edge: the share is counted, not believed.
    return mixed, Mixture(partner, 1.0 - patch.float().mean(dim=(1, 2)))


def _patches(
    share: torch.Tensor, height: int, width: int, generator: torch.Generator
) -> torch.Tensor:
    """Where the partner shows (N, H, W): a box of the image's proportions and 1 - share of its area."""
    side = (1.0 - share).sqrt()[:, None]
    centres = torch.rand(2, len(share), 1, generator=generator)
    inside = [
        (torch.arange(size)[None, :] + 0.5 - centre * size).abs() < side * size / 2.0
        for size, centre in zip((height, width), centres, strict=True)
    ]
    return torch.as_tensor(inside[0][:, :, None] & inside[1][:, None, :])
