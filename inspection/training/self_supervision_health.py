"""Is the representation still one? Figures that fall to zero when it collapses, and the watch that stops in time.

Two ways to collapse: the teacher's outputs no longer tell images apart (one output for all, or all outputs alike), or
the embeddings themselves run together. Sources: Caron et al. (2021), on centring and sharpening; Chen and He, SimSiam
(2021), on the spread of normalised embeddings; Roy and Vetterli, The Effective Rank (2007).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from inspection.learning_config import SelfSupervisionConfig
from inspection.records import Record


@dataclass(frozen=True)
class Pulse(Record):
    """Of one batch: entropies and information in nats, spread on 0 (all equal) .. 1 (all directions alike)."""

    loss: float
    loss_patches: float
    teacher_entropy: float
    """Of the teacher's output for an image, on average: log(outputs) when it says nothing."""
    student_entropy: float
    information: float
    """Entropy of the teacher's mean output minus its mean entropy: 0 when it says the same of every image."""
    spread: float


@dataclass(frozen=True)
class TuningEpoch(Record):
    """One pass over the images: mean pulse, settings at its end, and what the checks said (null: not checked)."""

    epoch: int
    pulse: Pulse | None
    """Null before the first step."""
    learning_rate: float
    momentum: float
    teacher_temperature: float
    rank: float | None
    """Effective rank of the training images' embeddings, at least 1."""
    knn: float | None
    """Share of validation images whose class their nearest training images name; null without labels."""


def entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """Nats, over the last axis."""
    return torch.as_tensor(torch.special.entr(probabilities).sum(-1))


def information(probabilities: torch.Tensor) -> float:
    """Nats that rows (N, K) tell about which row it is; at most log N."""
    return float(entropy(probabilities.mean(0)) - entropy(probabilities).mean())


def spread(embeddings: torch.Tensor) -> float:
    """Root mean square over rows (N, D) of the distance from their mean, after bringing each to length 1."""
    directions = functional.normalize(embeddings.float(), dim=1)
    return float(directions.var(0, correction=0).sum().sqrt())


def effective_rank(embeddings: npt.NDArray[Any]) -> float:
    """exp of the entropy of the squared singular values of centred rows (N, D): how many directions are in use."""
    rows = np.asarray(embeddings, dtype=np.float64)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12)
    values = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2
    total = values.sum()
    if total <= 1e-12:
        return 1.0
    shares = values[values > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def mean_pulse(pulses: list[Pulse]) -> Pulse:
    """The average over an epoch's steps."""
    return Pulse(
        **{name: float(np.mean([vars(each)[name] for each in pulses])) for name in vars(pulses[0])}
    )


class Watch:
    """Counts steps below a limit, and says in one sentence what has collapsed."""

    def __init__(self, config: SelfSupervisionConfig, *, first_step: int, streak: int = 0) -> None:
        self.config = config
        self.first_step = first_step
        self.streak = streak
        """Steps in a row below a limit."""

    def fault(self, step: int, pulse: Pulse) -> str | None:
        """Take note of a step; a sentence if training must stop here."""
        if not math.isfinite(pulse.loss):
            return (
                f"self-supervision stopped at step {step}: the loss is not a number; lower "
                f"teacher.tune.learning_rate ({self.config.learning_rate:g}) or teacher.tune.clip"
            )
        if step < self.first_step:
            return None
        limit = self._below(pulse)
        self.streak = self.streak + 1 if limit else 0
        if limit is None or self.streak < self.config.collapse_patience:
            return None
        return (
            f"self-supervision stopped at step {step}: {limit} for {self.streak} steps, so the representation "
            f"has collapsed; {self._remedy()}"
        )

    def _below(self, pulse: Pulse) -> str | None:
        if pulse.spread < self.config.min_spread:
            return f"all embeddings are alike (spread {pulse.spread:.2g}, limit {self.config.min_spread:g})"
        if pulse.information < self.config.min_information:
            return (
                f"the teacher says the same of every image ({pulse.information:.2g} nats, "
                f"limit {self.config.min_information:g})"
            )
        return None

    def _remedy(self) -> str:
        if self.config.centre_momentum > 0.999:
            return f"set teacher.tune.centre_momentum=0.9 (now {self.config.centre_momentum:g})"
        return (
            f"lower teacher.tune.learning_rate (now {self.config.learning_rate:g}), or raise "
            f"teacher.tune.momentum (now {self.config.momentum:g})"
        )
