"""A convolutional graph that tells colours without having been trained, so that every precision can be made of it."""

from __future__ import annotations

import torch
from torch import nn

WIDTH = 8


class ConvColours(nn.Module):
    """Strongest of three colours, through three convolutions; `scale` blows up what lies between two of them."""

    def __init__(self, scale: float = 1.0, noise: float = 0.05, seed: int = 1) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.second = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.third = nn.Conv2d(WIDTH, WIDTH, 1)
        self.head = nn.Linear(WIDTH, 3)
        with torch.no_grad():
            for layer in (self.first, self.second, self.third):
                layer.weight.mul_(noise)
                centre = layer.weight.shape[-1] // 2
                for k in range(3):
                    layer.weight[k, k, centre, centre] += 1
                layer.bias.zero_()
            self.first.weight.mul_(scale)
            self.second.weight.div_(scale)
            self.head.weight.zero_()
            self.head.bias.zero_()
            for k in range(3):
                self.head.weight[k, 2 - k] = 12.0

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values = image.permute(0, 3, 1, 2).to(torch.float32) / 255.0
        for layer in (self.first, self.second, self.third):
            values = torch.relu(layer(values))
        embedding = values.mean(dim=(2, 3))
        return torch.softmax(self.head(embedding), dim=1), embedding
