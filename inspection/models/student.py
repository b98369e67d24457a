"""What every student is: an image in, logits and an embedding out."""

from __future__ import annotations

from typing import Self

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from inspection.features.weights import Triple

DROPOUT = 0.1
IDENTITY = 1e-3
"""Statistics this near 0 and 1 are nobody's: folding leaves 1 less the layer's epsilon."""


class Student(nn.Module):
    """`body` turns normalised images into embeddings (N, E); one linear layer reads the classes off them.

    `mean` and `std` are the normalisation the body expects, on a scale of 0..1: (x / 255 - mean) / std. It is done
    outside, in training by `normalised`, on the device inside `DeployGraph`.
    """

    def __init__(
        self, body: nn.Module, embedding_size: int, num_classes: int, mean: Triple, std: Triple
    ) -> None:
        super().__init__()
        self.body = body
        self.dropout = nn.Dropout(DROPOUT)
        self.classifier = nn.Linear(embedding_size, num_classes)
        self.embedding_size = embedding_size
        self.num_classes = num_classes
        self.mean = mean
        self.std = std
        self._folded: list[nn.Module] = []

    def keep_folded(self) -> None:
        """Leave normalisation layers whose statistics are the identity out of training.

        Weights folded for inference rest on their doing nothing: batch statistics would undo what was learned.
        """
        layers = [layer for layer in self.body.modules() if isinstance(layer, _BatchNorm)]
        self._folded = [layer for layer in layers if _is_identity(layer)]
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """As of any module, but folded layers stay in evaluation."""
        super().train(mode)
        for layer in self._folded:
            layer.eval()
        return self

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised float (N, 3, H, W) to logits (N, C) and embedding (N, E)."""
        embedding = self.body(images)
        return self.classifier(self.dropout(embedding)), embedding

    @property
    def parameters_count(self) -> int:
        """Trainable numbers in the network."""
        return sum(parameter.numel() for parameter in self.parameters())


def _is_identity(layer: _BatchNorm) -> bool:
    mean, variance = layer.running_mean, layer.running_var
    return (
        mean is not None
        and variance is not None
        and bool((mean.abs() < IDENTITY).all())
        and bool(((variance - 1).abs() < IDENTITY).all())
    )
