"""What a student is told: the labels, the teacher's opinion on every class, and the teacher's view of the image.

Sources: Hinton et al., Distilling the Knowledge in a Neural Network (2015); Romero et al., FitNets (2015), here with a
cosine, so that the teacher's scale does not matter.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional


class Losses(NamedTuple):
    """Scalars; `total` is what is minimised, the others are its unweighted parts."""

    total: torch.Tensor
    labels: torch.Tensor
    logits: torch.Tensor
    features: torch.Tensor


class ImageWeights(NamedTuple):
    """How much each image (N,) counts in the label part and in the teacher's; each sums to one, or is all zero."""

    labels: torch.Tensor
    teacher: torch.Tensor


class DistillationLoss(nn.Module):
    """(1 - a) * cross entropy + a * T^2 * KL(teacher, student) + b * (1 - cosine), averaged over the batch.

    a = `logits_weight`, b = `features_weight`, T = `temperature`. `class_weights` (C,) weigh images by their class, in
    all three parts: a rare class would be as rare in the teacher's lessons. An image without a label counts in the
    teacher's parts alone, as much as the classes that the teacher sees in it.
    """

    class_weights: torch.Tensor

    def __init__(
        self,
        *,
        class_weights: torch.Tensor,
        logits_weight: float,
        features_weight: float,
        temperature: float,
        label_smoothing: float,
    ) -> None:
        super().__init__()
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.logits_weight = logits_weight
        self.features_weight = features_weight
        self.temperature = temperature
        self.label_smoothing = label_smoothing

    def forward(
        self,
        logits: torch.Tensor,
        projected: torch.Tensor,
        labels: torch.Tensor,
        teacher_logits: torch.Tensor | None,
        teacher_features: torch.Tensor | None,
        weights: ImageWeights | None = None,
    ) -> Losses:
        """`logits` and `teacher_logits` (N, C); `projected` and `teacher_features` (N, K); without a teacher None.

        `labels` are class numbers (N,), or the shares of the classes (N, C), all zero where there is no label.
        `weights` are those of a whole batch, when this is a piece of it.
        """
        weights = weights or self.weigh(labels, teacher_logits)
        labelled = functional.cross_entropy(
            logits, labels, reduction="none", label_smoothing=self.label_smoothing
        )
        nothing = torch.zeros_like(labelled)
        taught = seen = nothing
        if teacher_logits is not None:
            taught = divergence(logits, teacher_logits, self.temperature)
        if teacher_features is not None:
            seen = 1.0 - functional.cosine_similarity(projected, teacher_features, dim=1)
        parts = [
            (weights.labels * labelled).sum(),
            (weights.teacher * taught).sum(),
            (weights.teacher * seen).sum(),
        ]
        total = (
            (1.0 - self.logits_weight) * parts[0]
            + self.logits_weight * parts[1]
            + self.features_weight * parts[2]
        )
        return Losses(total, *parts)

    def weigh(self, labels: torch.Tensor, teacher_logits: torch.Tensor | None) -> ImageWeights:
        """The weights of a batch's images, from `labels` as in `forward`."""
        if labels.ndim == 1:
            weights = self.class_weights[labels]
            weights = weights / weights.sum()
            return ImageWeights(weights, weights)
        labelled = labels @ self.class_weights
        taught = labelled
        if teacher_logits is not None:
            seen = torch.softmax(teacher_logits, dim=1) @ self.class_weights
            taught = torch.where(labels.sum(dim=1) > 0, labelled, seen)
        return ImageWeights(*(part / part.sum().clamp(min=1e-12) for part in (labelled, taught)))


def divergence(
    logits: torch.Tensor, teacher_logits: torch.Tensor, temperature: float
) -> torch.Tensor:
    """T^2 * KL(teacher || student) per image (N,), both softened by T, so that gradients keep their size."""
    student = functional.log_softmax(logits / temperature, dim=1)
    teacher = functional.log_softmax(teacher_logits / temperature, dim=1)
    kl = functional.kl_div(student, teacher, reduction="none", log_target=True)
    return kl.sum(dim=1) * temperature**2


def balanced_weights(labels: torch.Tensor, num_classes: int, *, balance: bool) -> torch.Tensor:
    """Weights (C,) that make every class count the same in sum, or ones; absent classes count nothing.

    Images without a label (-1) are not counted.
    """
    labels = labels[labels >= 0]
    counts = torch.bincount(labels, minlength=num_classes).float()
    if not balance:
        return torch.ones(num_classes)
    present = counts > 0
    return torch.where(present, len(labels) / (present.sum() * counts.clamp(min=1)), 0.0)
