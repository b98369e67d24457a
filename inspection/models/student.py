"""What every student is: an image in, logits and an embedding out."""

from __future__ import annotations

import torch
from torch import nn

from inspection.features.weights import Triple

DROPOUT = 0.1


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

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Normalised float (N, 3, H, W) to logits (N, C) and embedding (N, E)."""
        embedding = self.body(images)
        return self.classifier(self.dropout(embedding)), embedding

    @property
    def parameters_count(self) -> int:
        """Trainable numbers in the network."""
        return sum(parameter.numel() for parameter in self.parameters())
