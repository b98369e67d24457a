"""The distillation loss, against numbers worked out by hand or by another road."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from inspection.losses.distillation import DistillationLoss, balanced_weights, divergence


def loss_of(
    *,
    weights: torch.Tensor | None = None,
    logits_weight: float = 0.5,
    features_weight: float = 0.2,
    smoothing: float = 0.0,
) -> DistillationLoss:
    return DistillationLoss(
        class_weights=torch.ones(3) if weights is None else weights,
        logits_weight=logits_weight,
        features_weight=features_weight,
        temperature=2.0,
        label_smoothing=smoothing,
    )


LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
TEACHER = torch.tensor([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
SEEN = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
LABELS = torch.tensor([0, 2])


def test_total_is_the_stated_sum_of_its_parts() -> None:
    losses = loss_of()(LOGITS, SEEN.flip(1), LABELS, TEACHER, SEEN)
    assert losses.features.item() == pytest.approx(1.0)  # at right angles
    expected = 0.5 * losses.labels + 0.5 * losses.logits + 0.2 * losses.features
    assert losses.total.item() == pytest.approx(expected.item())


def test_label_part_by_hand() -> None:
    first = -math.log(math.e**2 / (math.e**2 + 1 + math.e**-1))
    second = -math.log(1 / (2 + math.e))
    losses = loss_of()(LOGITS, SEEN, LABELS, TEACHER, SEEN)
    assert losses.labels.item() == pytest.approx((first + second) / 2, rel=1e-5)


def test_an_agreeing_student_has_nothing_left_to_learn_from_the_teacher() -> None:
    losses = loss_of()(TEACHER, 7.0 * SEEN, LABELS, TEACHER, SEEN)
    assert losses.logits.item() == pytest.approx(0.0, abs=1e-6)
    assert losses.features.item() == pytest.approx(0.0, abs=1e-6)  # scale does not matter


def test_divergence_by_hand() -> None:
    p = [math.exp(0.5), 1.0, 1.0]
    q = [math.e, 1.0, math.exp(-0.5)]
    p, q = [x / sum(p) for x in p], [x / sum(q) for x in q]
    expected = 4.0 * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert divergence(LOGITS[:1], TEACHER[:1], 2.0).item() == pytest.approx(expected, rel=1e-5)


@given(st.integers(0, 10_000))
def test_divergence_is_never_negative(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    student = 5 * torch.randn(4, 6, generator=generator)
    teacher = 5 * torch.randn(4, 6, generator=generator)
    assert (divergence(student, teacher, 3.0) > -1e-4).all()


def test_gradients_keep_their_size_when_temperature_rises() -> None:
    """Hinton's T^2: for logits near zero the gradient tends to (student - teacher) / C."""
    sizes = []
    for temperature in (5.0, 50.0):
        logits = LOGITS.clone().requires_grad_()
        divergence(logits, TEACHER, temperature).sum().backward()
        assert logits.grad is not None
        sizes.append(logits.grad.norm().item())
    assert sizes[1] == pytest.approx(sizes[0], rel=0.2)


def test_class_weights_weigh_all_three_parts() -> None:
    only_second = loss_of(weights=torch.tensor([0.0, 1.0, 1.0]))
    second_alone = loss_of()
    both = only_second(LOGITS, SEEN.flip(1), LABELS, TEACHER, SEEN)
    alone = second_alone(LOGITS[1:], SEEN.flip(1)[1:], LABELS[1:], TEACHER[1:], SEEN[1:])
    for weighted, expected in zip(both, alone, strict=True):
        assert weighted.item() == pytest.approx(expected.item(), abs=1e-6)


def test_label_smoothing_is_torchs() -> None:
    losses = loss_of(smoothing=0.1)(LOGITS, SEEN, LABELS, TEACHER, SEEN)
    expected = functional.cross_entropy(LOGITS, LABELS, label_smoothing=0.1)
    assert losses.labels.item() == pytest.approx(expected.item(), rel=1e-6)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_balanced_classes_count_the_same_in_sum(labels: list[int]) -> None:
    numbers = torch.tensor(labels)
    weights = balanced_weights(numbers, 5, balance=True)
    sums = [weights[k].item() * labels.count(k) for k in sorted(set(labels))]
    assert all(total == pytest.approx(sums[0], rel=1e-4) for total in sums)
    assert sum(sums) == pytest.approx(len(labels), rel=1e-4)  # the mean weight is one
    assert weights[4].item() == 0.0


def test_unbalanced_means_ones() -> None:
    weights = balanced_weights(torch.tensor([0, 0, 1]), 2, balance=False)
    assert torch.equal(weights, torch.ones(2))
