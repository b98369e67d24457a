"""Two heads for the teacher, fitted on the CPU in seconds: a linear probe and a small MLP.

Each is a path of candidates from simple to sharp. Rows are first turned into their own space (K = min(N, D)
coordinates): the best weights lie there, and image sets are often smaller than feature vectors are long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from inspection.losses.distillation import DistillationLoss, Losses, balanced_weights
from inspection.models.heads import Head, HeadKind, Matrix

L2_STRENGTHS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
LBFGS_STEPS = 150

HIDDEN = 128
MLP_STOPS = (25, 50, 100, 200)
MLP_BATCH = 512
MLP_DROPOUT = 0.3
DISTILLED_SHARE = 0.7
"""What a small head hears from the larger one; the rest are labels."""
DISTILLED_TEMPERATURE = 3.0
DISTILLED_STOPS = (100, 200, 400, 800)
"""Few units need more steps than many."""

SETTINGS = {"linear": L2_STRENGTHS, "mlp": tuple(float(stop) for stop in MLP_STOPS)}
"""What the candidates of a path differ in: the L2 penalty, or how many steps were trained."""

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From logits (B, C) and the rows (B,) that they belong to."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Features (N, D) and class numbers (N,) to fit a head on; classes count the same whatever their size."""

    matrix: Matrix
    labels: npt.NDArray[np.int64]
    num_classes: int

    def standardisation(self) -> tuple[Matrix, Matrix]:
        """Mean (D,) and the factor (D,) that gives rows a squared norm of about 1.

        Columns that hardly vary keep a floor of spread: noise must not be blown up into a feature.
        """
        mean = self.matrix.mean(axis=0)
        spread = self.matrix.std(axis=0)
        floor = 1e-3 * float(np.sqrt(np.mean(spread**2))) + 1e-12
        scale = 1.0 / ((spread + floor) * np.sqrt(self.matrix.shape[1]))
        return mean.astype(np.float32), scale.astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Space:
    """Standardised rows (N, K) in their own space, the way back (D, K), and what the loss needs."""

    rows: torch.Tensor
    basis: torch.Tensor
    labels: torch.Tensor
    class_weights: torch.Tensor
    mean: Matrix
    scale: Matrix

    def head(self, kind: HeadKind, first: torch.Tensor, **arrays: torch.Tensor) -> Head:
        """A head whose first layer's weight (outputs, K) is turned back to (outputs, D)."""
        tensors = {"weight_0": first.detach() @ self.basis.T, **arrays}
        plain = {name: tensor.detach().float().numpy().copy() for name, tensor in tensors.items()}
        return Head(kind, {"mean": self.mean, "scale": self.scale, **plain})


def head_path(kind: HeadKind, examples: Examples, *, seed: int) -> Iterator[Head]:
    """The candidates of a kind, one for each of its `SETTINGS`, in that order."""
    return _linear_path(examples) if kind == "linear" else _mlp_path(examples, seed)


def _space(examples: Examples) -> _Space:
    mean, scale = examples.standardisation()
    rows = torch.from_numpy((examples.matrix - mean) * scale).double()
    basis, triangle = torch.linalg.qr(rows.T)
    labels = torch.from_numpy(examples.labels)
    weights = balanced_weights(labels, examples.num_classes, balance=True).double()
    return _Space(triangle.T.contiguous(), basis, labels, weights, mean, scale)


def _linear_path(examples: Examples) -> Iterator[Head]:
    """Multinomial logistic regression, each started from the smoother one before."""
    space = _space(examples)
    weight = torch.zeros(examples.num_classes, space.rows.shape[1], dtype=torch.float64)
    bias = torch.zeros(examples.num_classes, dtype=torch.float64)
    for strength in L2_STRENGTHS:
        weight, bias = _logistic(space, strength, weight, bias)
        yield space.head("linear", weight, bias_0=bias)


def _logistic(
    space: _Space, strength: float, weight: torch.Tensor, bias: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=LBFGS_STEPS,
        tolerance_grad=1e-7,
        tolerance_change=1e-10,
        line_search_fn="strong_wolfe",
    )

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        scores = space.rows @ weight.T + bias
        loss = functional.cross_entropy(scores, space.labels, weight=space.class_weights)
        loss = loss + 0.5 * strength * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    optimizer.step(objective)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return weight.detach(), bias.detach()


def _mlp_path(examples: Examples, seed: int) -> Iterator[Head]:
    """One hidden layer, taught by labels."""
    space = _space(examples)
    class_weights = space.class_weights.float()

    def loss(logits: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(logits, space.labels[chosen], weight=class_weights)

    return _trained(space, HIDDEN, loss, seed, MLP_STOPS, dropout=MLP_DROPOUT)


def distilled_path(
    examples: Examples, teacher_logits: Matrix, *, hidden: int, seed: int
) -> Iterator[Head]:
    """Heads of `hidden` units taught by labels and a larger head's logits (N, C), one for each of `DISTILLED_STOPS`."""
    space = _space(examples)
    told = torch.from_numpy(teacher_logits).float()
    distillation = DistillationLoss(
        class_weights=space.class_weights.float(),
        logits_weight=DISTILLED_SHARE,
        features_weight=0.0,
        temperature=DISTILLED_TEMPERATURE,
        label_smoothing=0.0,
    )

    def loss(logits: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        found: Losses = distillation(logits, logits, space.labels[chosen], told[chosen], None)
        return found.total

    # What a teacher says of every class regularises by itself, and few units can spare none.
    return _trained(space, hidden, loss, seed, DISTILLED_STOPS, dropout=0.0)


def _trained(
    space: _Space, hidden: int, loss: Loss, seed: int, stops: Sequence[int], *, dropout: float
) -> Iterator[Head]:
    """One hidden layer, one AdamW run, looked at from time to time."""
    # Coordinates of about unit size suit AdamW; the factor goes into the first layer afterwards.
    widen = float(np.sqrt(space.rows.shape[1]))
    rows = (space.rows * widen).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first = nn.Linear(rows.shape[1], hidden)
        last = nn.Linear(hidden, len(space.class_weights))
        network = nn.Sequential(first, nn.ReLU(), nn.Dropout(dropout), last)
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)
        for step in range(1, stops[-1] + 1):
            chosen = torch.randperm(len(rows))[:MLP_BATCH]
            optimizer.zero_grad()
            loss(network(rows[chosen]), chosen).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            if step in stops:
                yield space.head(
                    "mlp",
                    first.weight.double() * widen,
                    bias_0=first.bias,
                    weight_1=last.weight,
                    bias_1=last.bias,
                )
