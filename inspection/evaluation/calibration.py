"""Does 0.9 mean nine in ten? One temperature to mend it, one number and one table to tell.

Source: Guo et al., On Calibration of Modern Neural Networks (ICML 2017); the softened targets are Platt's (1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.special import softmax as _softmax

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]

BINS = 15
TEMPERATURES = (0.05, 20.0)
SWAPS = 999


@dataclass(frozen=True)
class ReliabilityBin:
    """Images whose top probability lies in (`low`, `high`]: mean confidence against share right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def softmax(logits: Floats, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Probabilities (N, C) of `logits` (N, C) divided by `temperature`."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    return np.asarray(_softmax(scaled, axis=1), dtype=np.float64)


def fit_temperature(logits: Floats, labels: Integers) -> float:
    """The temperature in 0.05..20 that makes `logits` (N, C) least surprised by `labels` (N,).

    Fit on validation images only. Targets are softened by Laplace's rule, so that a validation set without a single
    mistake does not ask for infinite confidence; with many images the softening vanishes.
    """
    scores = np.asarray(logits, dtype=np.float64)
    count, classes = scores.shape
    if count != len(labels) or count == 0:
        raise ValueError(f"need one label per row of logits, got {len(labels)} for {count}")
    target = np.full((count, classes), 1.0 / (count + classes))
    target[np.arange(count), labels] = (count + 1.0) / (count + classes)

    def surprise(log_temperature: float) -> float:
        return -float((target * log_softmax(scores / np.exp(log_temperature), axis=1)).sum())

    # In log T: one minimum, because the loss is convex in 1 / T.
    found = minimize_scalar(surprise, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))


def reliability(
    probabilities: Floats, labels: Integers, bins: int = BINS
) -> tuple[ReliabilityBin, ...]:
    """The reliability table over `bins` equal slices of confidence; empty slices count 0."""
    confidence = np.asarray(probabilities, dtype=np.float64).max(axis=1)
    right = np.asarray(probabilities).argmax(axis=1) == labels
    edges = np.linspace(0.0, 1.0, bins + 1)
    slot = gap_and_slot(confidence, right, bins)[1]
    return tuple(
        _bin(float(edges[k]), float(edges[k + 1]), confidence[slot == k], right[slot == k])
        for k in range(bins)
    )


def _bin(
    low: float, high: float, confidence: Floats, right: npt.NDArray[np.bool_]
) -> ReliabilityBin:
    count = len(confidence)
    if count == 0:
        return ReliabilityBin(low, high, 0, 0.0, 0.0)
    return ReliabilityBin(low, high, count, float(confidence.mean()), float(right.mean()))


def expected_calibration_error(probabilities: Floats, labels: Integers, bins: int = BINS) -> float:
    """Mean |confidence - accuracy| over the reliability table, weighted by images; 0..1."""
    table = reliability(probabilities, labels, bins)
    total = sum(row.count for row in table)
    return sum(row.count * abs(row.confidence - row.accuracy) for row in table) / total


def negative_log_likelihood(probabilities: Floats, labels: Integers) -> float:
    """Mean surprise in nats at the true class; a probability of 0 counts as 1e-12."""
    true = np.asarray(probabilities, dtype=np.float64)[np.arange(len(labels)), labels]
    return -float(np.log(np.clip(true, 1e-12, 1.0)).mean())


def rise_p(
    gaps: tuple[Floats, Floats], slots: tuple[Integers, Integers], units: Integers, *, seed: int
) -> float:
    """One-sided p of the first model's calibration error exceeding the second's, by swapping the two unit by unit.

    `gaps`: confidence less rightness (N,), `slots`: the slice of confidence (N,), of each model; `units` (N,): images
    of one number are swapped together.
    """
    first, second = (_sums(gap, slot, units) for gap, slot in zip(gaps, slots, strict=True))
    totals, moves = (first.sum(axis=0), second.sum(axis=0)), second - first
    swapped = np.random.default_rng(seed).integers(0, 2, (SWAPS, len(moves)))
    moved = swapped.astype(np.float64) @ moves
    drawn = np.abs(totals[0] + moved).sum(axis=1) - np.abs(totals[1] - moved).sum(axis=1)
    seen = float(np.abs(totals[0]).sum() - np.abs(totals[1]).sum())
    return float((1 + (drawn >= seen - 1e-9).sum()) / (1 + SWAPS))


def gap_and_slot(
    confidence: Floats, right: npt.NDArray[np.bool_], bins: int = BINS
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Confidence less rightness (N,), and which of `bins` slices of confidence an image lies in (N,)."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    slot = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    return np.asarray(confidence - right, dtype=np.float64), slot.astype(np.int64)


def _sums(gap: Floats, slot: Integers, units: Integers) -> npt.NDArray[np.float64]:
    """Gaps summed by unit and slice (U, bins): the calibration error is the sum of their columns' sizes over N."""
    count = int(units.max()) + 1
    flat = np.bincount(units * BINS + slot, weights=gap, minlength=count * BINS)
    return np.asarray(flat.reshape(count, BINS), dtype=np.float64)
