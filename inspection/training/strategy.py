"""What of a student learns, and how fast: full, partial or freeze; the classifier always learns.

What is frozen has no gradient, no place in the optimizer, and stays in evaluation mode: its batch norm keeps the
statistics it came with, its dropout does nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from inspection.errors import ConfigError
from inspection.learning_config import StudentConfig
from inspection.models.stages import student_stages
from inspection.models.student import Student

SCALE = "lr_scale"
"""Key of an optimizer's group: the factor of its learning rate, as timm calls it."""


def apply_strategy(student: Student, config: StudentConfig) -> None:
    """Freeze the parameters that `config.strategy` does not teach; ConfigError for more stages than there are."""
    if config.strategy == "full":
        return
    stages = student_stages(student)
    taught = config.last_stages if config.strategy == "partial" else 0
    if taught > len(stages):
        raise ConfigError(
            [
                f"student.last_stages: {config.architecture} has {len(stages)} stages, got {taught}: "
                f"use at most {len(stages)}, or strategy=full"
            ]
        )
    named = dict(student.named_parameters())
    for stage in stages[: len(stages) - taught]:
        for name in stage:
            named[name].requires_grad_(False)


def rest_frozen(student: Student) -> None:
    """Put every part without a learning parameter into evaluation mode."""
    for module in student.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def leaves_some_out(student: Student, image_size: int) -> bool:
    """Whether a parameter that learns has no part in what the student says, so that it never gets a gradient.

    Found with a copy and two blank images; a part of the loss that weighs nothing still gives gradients, of zero.
    """
    trial = copy.deepcopy(student)
    learning = [parameter for parameter in trial.parameters() if parameter.requires_grad]
    with torch.random.fork_rng(devices=[]):
        blank = torch.zeros(2, 3, image_size, image_size, device=learning[0].device)
        logits, embedding = trial(blank)
    said = logits.sum() + embedding.sum()
    found = torch.autograd.grad(said, learning, allow_unused=True)
    return any(gradient is None for gradient in found)


def trained_count(student: Student) -> int:
    """How many numbers of the student learn."""
    return sum(p.numel() for p in student.parameters() if p.requires_grad)


def optimizer_groups(
    student: Student, projection: nn.Module, config: StudentConfig
) -> list[dict[str, Any]]:
    """Parameters that learn, for AdamW: biases and norms are not decayed, lower stages learn more slowly."""
    scales = _scales(student, config.layer_decay)
    by_scale: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in student.named_parameters():
        if parameter.requires_grad:
            by_scale.setdefault(scales.get(name, 1.0), []).append(parameter)
    by_scale.setdefault(1.0, []).extend(projection.parameters())
    return [
        group
        for scale, parameters in sorted(by_scale.items(), reverse=True)
        for group in _decayed_or_not(parameters, scale)
    ]


def _decayed_or_not(
    parameters: Iterable[torch.nn.Parameter], scale: float
) -> Iterable[dict[str, Any]]:
    parameters = list(parameters)
    yield {"params": [p for p in parameters if p.ndim > 1], SCALE: scale}
    yield {"params": [p for p in parameters if p.ndim <= 1], SCALE: scale, "weight_decay": 0.0}


def _scales(student: Student, decay: float) -> dict[str, float]:
    """Factor by name; the last stage is one step below the classifier (Clark et al., ELECTRA, 2020)."""
    if decay == 1.0:
        return {}
    stages = student_stages(student)
    return {
        name: decay ** (len(stages) - number)
        for number, stage in enumerate(stages)
        for name in stage
    }
