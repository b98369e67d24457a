"""The student in training, as Lightning sees it: one step of distillation, and an average that steadies it."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import lightning as L
import torch
from torch import nn

from inspection.learning_config import StudentConfig
from inspection.losses.distillation import (
    DistillationLoss,
    ImageWeights,
    Losses,
    balanced_weights,
)
from inspection.models.student import Student
from inspection.training.augment import Augmentation, augmented, generator_for, to_network
from inspection.training.mishaps import Diverged
from inspection.training.mixing import mix_images
from inspection.training.pieces import Gradients, ShareOfDropout, cut, share, with_gradients
from inspection.training.pixels import PixelSource
from inspection.training.rates import climb, cosine, plateau
from inspection.training.strategy import (
    SCALE,
    apply_strategy,
    optimizer_groups,
    rest_frozen,
)
from inspection.training.stream import Batch
from inspection.training.targets import Targets, TargetsByView

AVERAGE = 0.98
"""Decay of the moving average of weights, per step, once it is warm."""


@dataclass(frozen=True)
class Lesson:
    """Everything a training step reads."""

    pixels: PixelSource
    targets: TargetsByView
    augmentation: Augmentation
    total_steps: int
    seed: int


class Distillation(L.LightningModule):
    """Trains `student`; `average` (the moving average of its weights) is what is validated and kept.

    `step` counts finished steps from the start of the run, whatever was resumed.
    """

    def __init__(self, student: Student, lesson: Lesson, config: StudentConfig) -> None:
        super().__init__()
        apply_strategy(student, config)
        self.student = student
        self.average = copy.deepcopy(student).eval().requires_grad_(False)
        self.lesson = lesson
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(lesson.seed)
            self.projection = _projection(student.embedding_size, lesson.targets.blocks.features)
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
        self.validations: Sequence[float] = ()
        """Validation losses of the epochs so far, which a plateau goes by."""
        self.at_once = config.batch_size
        """Images through the network at a time; fewer than a batch when memory was full."""
        self.rank, self.world = 0, 1

    def sit_at(self, rank: int, world: int) -> None:
        """Be process `rank` of `world`: each takes its share of every batch."""
        self.rank, self.world = rank, world
        if world > 1:
            self.student.dropout = ShareOfDropout(self.student.dropout.p)

    def train(self, mode: bool = True) -> Self:
        """As torch, but statistics of given weights stay as given.

        Batches of a small set would shake them; and files with folded norms would lose their scale.
        """
        super().train(mode)
        self.average.eval()
        rest_frozen(self.student)
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
        images, views = augmented(pixels, self.lesson.augmentation, generator)
        targets = self.lesson.targets.take(positions, views).to(self.device)
        images, targets = self._mixed(images, targets, step)
        torch.manual_seed(int(generator.initial_seed() % 2**31))  # dropout draws globally
        total, values = self._learnt(images, targets)
        if self.world > 1:
            # Gradients are averaged over processes; shares of one batch have to be summed.
            total, values = total * self.world, summed(values, self.device)
        if not math.isfinite(values[0]):
            raise Diverged(f"the loss became {values[0]}", step)
        self.sums = [sofar + value for sofar, value in zip(self.sums, values, strict=True)]
        return total

    def _mixed(
        self, images: torch.Tensor, targets: Targets, step: int
    ) -> tuple[torch.Tensor, Targets]:
        """The batch with its targets, mixed when asked to."""
        if self.config.mix == "none" and not self.config.unlabelled:
            return images, targets
        targets = targets.shared(self.student.num_classes)
        if self.config.mix == "none":
            return images, targets
        images, mixture = mix_images(images, self.config.mix, self.lesson.seed, step)
        return images, targets.mixed(mixture, self.config.distill_temperature)

    def _learnt(self, images: torch.Tensor, targets: Targets) -> tuple[torch.Tensor, list[float]]:
        """What is minimised, ready for its backward pass, and the four losses' values."""
        weights: ImageWeights = self.loss.weigh(targets.labels, targets.logits)
        if self.world > 1:
            images, targets, weights = self._own(images, targets, weights)
        pieces = cut(len(images), self.at_once)
        if len(pieces) == 1:
            losses = self._losses(images, targets, weights)
            return losses.total, [float(part.detach()) for part in losses]
        gradients = Gradients([p for p in self.parameters() if p.requires_grad])
        values = [0.0, 0.0, 0.0, 0.0]
        for piece in pieces:
            own = ImageWeights(weights.labels[piece], weights.teacher[piece])
            losses = self._losses(images[piece], targets.take(piece), own)
            gradients.add(losses.total)
            parts = [float(part.detach()) for part in losses]
            values = [sofar + part for sofar, part in zip(values, parts, strict=True)]
        return with_gradients(values[0], gradients), values

    def _own(
        self, images: torch.Tensor, targets: Targets, weights: ImageWeights
    ) -> tuple[torch.Tensor, Targets, ImageWeights]:
        """This process' share of a batch: all shares' losses add up to the batch's."""
        passed, own = share(len(images), self.rank, self.world)
        if isinstance(self.student.dropout, ShareOfDropout):
            self.student.dropout.rows = (len(images), passed)
        counts = torch.zeros_like(weights.labels[passed])
        counts[own] = 1.0
        mine = ImageWeights(weights.labels[passed] * counts, weights.teacher[passed] * counts)
        return images[passed], targets.take(passed), mine

    def _losses(self, images: torch.Tensor, targets: Targets, weights: ImageWeights) -> Losses:
        logits, embedding = self.student(to_network(images, self.student.mean, self.student.std))
        losses: Losses = self.loss(
            logits,
            self.projection(embedding),
            targets.labels,
            targets.logits,
            targets.features,
            weights,
        )
        return losses

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Set the learning rate of this step, in each group by its own factor."""
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]  # one optimizer
            group["lr"] = self.learning_rate(self.step) * group[SCALE]

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
        """Of the classifier, by the configured schedule; other layers learn by a factor of it."""
        progress = step / max(1, self.lesson.total_steps)
        if self.config.schedule == "plateau":
            return self.config.learning_rate * climb(progress) * plateau(self.validations)
        return self.config.learning_rate * cosine(progress)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW over what learns."""
        return torch.optim.AdamW(
            optimizer_groups(self.student, self.projection, self.config),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
        )


def summed(values: Sequence[float], device: torch.device) -> list[float]:
    """Over all processes; a value that is not finite in one is not finite in all."""
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    torch.distributed.all_reduce(tensor)
    total: list[float] = tensor.tolist()
    return total


def _projection(embedding_size: int, features: torch.Tensor | None) -> nn.Module:
    """From the student's embedding to the teacher's view, where there is one."""
    return nn.Identity() if features is None else nn.Linear(embedding_size, features.shape[1])
