"""The graph that ships: uint8 pixels in, calibrated probabilities and an embedding out."""

from __future__ import annotations

import torch
from torch import nn

from inspection.features.weights import Triple
from inspection.models.student import Student


class DeployGraph(nn.Module):
    """A student with everything inside that must never be done differently on the device.

    `image` uint8 (N, H, W, 3) RGB to `probabilities` float32 (N, C), divided by the calibration `temperature` before
    softmax, and `embedding` float32 (N, E). Thresholds stay outside.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(
        self, student: Student, mean: Triple, std: Triple, temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.student = student
        deviation = torch.tensor(std, dtype=torch.float64) * 255.0
        centre = torch.tensor(mean, dtype=torch.float64) * 255.0
        # One multiply and one add: the first convolution can swallow both.
        self.register_buffer("scale", (1.0 / deviation).float().view(1, 3, 1, 1))
        self.register_buffer("shift", (-centre / deviation).float().view(1, 3, 1, 1))
        self.temperature = temperature
        self.eval()

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """uint8 (N, H, W, 3) to probabilities (N, C) and embedding (N, E)."""
        pixels = image.permute(0, 3, 1, 2).float()
        logits, embedding = self.student(pixels * self.scale + self.shift)
        return torch.softmax(logits / self.temperature, dim=1), embedding
