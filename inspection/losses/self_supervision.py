"""Self-distillation without labels: the student says of one crop what the teacher says of another.

Sources: Caron et al., Emerging Properties in Self-Supervised Vision Transformers (DINO, 2021); Zhou et al., iBOT:
Image BERT Pre-Training with Online Tokenizer (2022). The losses themselves are lightly's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from lightly.loss import DINOLoss, IBOTPatchLoss
from torch import nn


class PatchOutputs(NamedTuple):
    """Outputs (M, K) of both networks at the M masked patches, and the masks (N, rows, columns) that chose them."""

    student: torch.Tensor
    teacher: torch.Tensor
    masks: torch.Tensor


class SelfLosses(NamedTuple):
    """Scalars; `total` is what is minimised. `patches` is 0 where none are masked."""

    total: torch.Tensor
    crops: torch.Tensor
    patches: torch.Tensor


class SelfDistillationLoss(nn.Module):
    """Cross entropy between crops, plus `patch_weight` times that between masked patches and the teacher's view.

    Centres of the teacher's outputs are part of the state: each call moves them by `1 - centre_momentum`.
    """

    def __init__(
        self,
        outputs: int,
        *,
        student_temperature: float,
        centre_momentum: float,
        patch_weight: float,
    ) -> None:
        super().__init__()
        self.crops = DINOLoss(
            outputs, student_temp=student_temperature, center_momentum=centre_momentum
        )
        self.patches = IBOTPatchLoss(
            outputs, student_temp=student_temperature, center_momentum=centre_momentum
        )
        self.patch_weight = patch_weight

    def forward(
        self,
        student: Sequence[torch.Tensor],
        teacher: Sequence[torch.Tensor],
        patches: PatchOutputs | None,
        temperature: float,
    ) -> SelfLosses:
        """Outputs (B, K) per crop: the teacher's are those of the student's first crops; `temperature` is its own."""
        crops = self.crops(list(teacher), list(student), teacher_temp=temperature)
        if patches is None or not len(patches.student):
            return SelfLosses(crops, crops, crops.new_zeros(()))
        told = self.patches(
            patches.teacher, patches.student, patches.masks, teacher_temp=temperature
        )
        return SelfLosses(crops + self.patch_weight * told, crops, told)

    def beliefs(self, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
        """What the teacher tells the student: outputs (N, K) as probabilities, centred as they stand."""
        centre: torch.Tensor = self.crops.center.view(1, -1)
        return torch.softmax((teacher - centre) / temperature, dim=1)
