"""The student in training, as Lightning sees it: one step of distillation, and an average that steadies it."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any, Self

import lightning as L
import torch
from torch import nn

from inspection.config import StudentConfig
from inspection.losses.distillation import DistillationLoss, Losses, balanced_weights
from inspection.models.student import Student
from inspection.training.augment import Augmentation, augment, generator_for, to_network
from inspection.training.pixels import PixelSource
from inspection.training.stream import Batch
from inspection.training.targets import Targets

WARM_UP = 0.1
"""Share of the steps in which the learning rate climbs."""
FINAL_RATE = 0.01
"""Share of the learning rate at the last step."""
AVERAGE = 0.98
"""Decay of the moving average of weights, per step, once it is warm."""


@dataclass(frozen=True)
class Lesson:
    """Everything a training step reads."""

    pixels: PixelSource
    targets: Targets
    augmentation: Augmentation
    total_steps: int
    seed: int


class Distillation(L.LightningModule):
    """Trains `student`; `average` (the moving average of its weights) is what is validated and kept.

    `step` counts finished steps from the start of the run, whatever was resumed.
    """

    def __init__(self, student: Student, lesson: Lesson, config: StudentConfig) -> None:
        super().__init__()
        self.student = student
        self.average = copy.deepcopy(student).eval().requires_grad_(False)
        self.lesson = lesson
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(lesson.seed)
            self.projection = nn.Linear(student.embedding_size, lesson.targets.features.shape[1])
        self.loss = DistillationLoss(
            class_weights=balanced_weights(
                lesson.targets.labels, student.num_classes, balance=config.balance_classes
            ),
            logits_weight=config.distill_logits,
            features_weight=config.distill_features,
            temperature=config.distill_temperature,
            label_smoothing=config.label_smoothing,
        )
        self.step = 0
        self.sums = [0.0, 0.0, 0.0, 0.0]
        """Of the four losses over the steps of this epoch so far."""

    def train(self, mode: bool = True) -> Self:
        """As torch, but statistics of given weights stay as given.

        Batches of a small set would shake them; and files with folded norms would lose their scale.
        """
        super().train(mode)
        self.average.eval()
        if self.config.weights != "none":
            for module in self.student.modules():
                if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                    module.eval()
        return self

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        """The loss of one batch; every draw depends on the seed and the step alone."""
        step, positions = batch
        generator = generator_for(self.lesson.seed, 1, step)
        pixels = self.lesson.pixels.take(positions).to(self.device)
        images = augment(pixels, self.lesson.augmentation, generator)
        torch.manual_seed(int(generator.initial_seed() % 2**31))  # dropout draws globally
        logits, embedding = self.student(to_network(images, self.student.mean, self.student.std))
        losses = self._losses(logits, embedding, positions)
        self.sums = [
            total + float(part.detach()) for total, part in zip(self.sums, losses, strict=True)
        ]
        return losses.total

    def _losses(
        self, logits: torch.Tensor, embedding: torch.Tensor, positions: torch.Tensor
    ) -> Losses:
        targets = self.lesson.targets
        losses: Losses = self.loss(
            logits,
            self.projection(embedding),
            targets.labels[positions].to(self.device),
            targets.logits[positions].to(self.device),
            targets.features[positions].to(self.device),
        )
        return losses

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Set the learning rate of this step."""
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]  # one optimizer
            group["lr"] = self.learning_rate(self.step)

    def finish_step(self) -> None:
        """Count the step and let the average follow the student."""
        self.step += 1
        # Young averages forget faster, or they would remember the random start.
        decay = min(AVERAGE, self.step / (self.step + 10))
        average = self.average.state_dict()
        for name, tensor in self.student.state_dict().items():
            if tensor.is_floating_point():
                average[name].lerp_(tensor, 1.0 - decay)
            else:
                average[name].copy_(tensor)

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to 1 %."""
        progress = step / max(1, self.lesson.total_steps)
        peak = self.config.learning_rate
        if progress < WARM_UP:
            return peak * max(0.01, progress / WARM_UP)
        fall = 0.5 * (1.0 + math.cos(math.pi * (progress - WARM_UP) / (1.0 - WARM_UP)))
        return peak * (FINAL_RATE + (1.0 - FINAL_RATE) * fall)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; biases and batch norm are not decayed."""
        trained = [*self.student.parameters(), *self.projection.parameters()]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if p.ndim > 1]},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(
            groups, lr=self.config.learning_rate, weight_decay=self.config.weight_decay
        )
