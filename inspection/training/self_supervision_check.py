"""Now and then, without crops: how many directions the embeddings use, and what nearest neighbours make of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from inspection.evaluation.representation import knn_predictions
from inspection.features.backbone import normalised
from inspection.features.pooling import PooledLevels
from inspection.features.weights import Network
from inspection.training.pixels import PixelSource
from inspection.training.self_supervision_health import effective_rank

READ_AT_ONCE = 64
RANKED = 1024
"""So many images say how many directions are in use."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images, and which of them have which class: positions (N,) in `pixels` and class numbers (N,)."""

    pixels: PixelSource
    positions: torch.Tensor
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Checks:
    """Training images (all `count` of them in `gallery.pixels`), and validation images to be named by them."""

    count: int
    gallery: Labelled
    queries: Labelled | None


def check(network: nn.Module, checks: Checks, start: Network) -> tuple[float, float | None]:
    """Effective rank of training embeddings, and the share of validation images named rightly (None: no labels)."""
    network.eval()
    ranked = torch.arange(min(checks.count, RANKED))
    rank = effective_rank(_embedded(network, checks.gallery.pixels, ranked, start))
    if checks.queries is None:
        return rank, None
    pooled = PooledLevels(network).eval()
    known = _embedded(pooled, checks.gallery.pixels, checks.gallery.positions, start)
    asked = _embedded(pooled, checks.queries.pixels, checks.queries.positions, start)
    said = knn_predictions(known, checks.gallery.labels, asked)
    return rank, float((said == checks.queries.labels).mean())


def _embedded(
    module: nn.Module, pixels: PixelSource, positions: torch.Tensor, start: Network
) -> npt.NDArray[np.float32]:
    device = next(module.parameters()).device
    blocks = []
    with torch.inference_mode():
        for block in torch.split(positions, READ_AT_ONCE):
            batch = normalised(pixels.take(block).to(device), start.mean, start.std)
            blocks.append(module(batch).float().cpu())
    found: npt.NDArray[np.float32] = torch.cat(blocks).numpy()
    return found
