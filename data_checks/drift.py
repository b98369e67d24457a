"""Has what the device sees moved away from what the model was validated on? One verdict, every method named.

Covered: light, focus and contrast (image statistics), the mix of predicted classes and their confidence, the cloud of
embeddings as a whole, and a few strangers among it. All signals together raise a false alarm on a share of at most
`MonitorConfig.p_value` of clean batches, also when parts are photographed several times, if the reference names the
groups. Not covered: bursts of one part the reference knows nothing of (they alarm too often), drift that leaves
statistics, decisions and embeddings alone, and why it happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_checks.drift_reference import Array, DriftReference
from data_checks.predictions import STATISTICS
from data_checks.two_samples import (
    Difference,
    Matrix,
    Resampling,
    hellinger,
    level,
    level_and_shape,
    mean_discrepancy,
    novelty_scores,
    shape,
    tail_count,
)
from inspection.config import MonitorConfig
from inspection.errors import DataError
from inspection.records import Record

__all__ = [
    "SEED",
    "DriftReference",
    "DriftSignal",
    "DriftVerdict",
    "as_batch",
    "detect_drift",
    "signal_threshold",
]

LEVEL_AND_SHAPE = "Kolmogorov-Smirnov and Mann-Whitney, Bonferroni"
LEVEL = "Mann-Whitney on brightness unexplained by contrast, sharpness and prediction"
KS = "Kolmogorov-Smirnov"
HELLINGER = "Hellinger distance, permutation"
MMD = "MMD (Gaussian kernel), permutation"
TAIL = "kNN-distance tail count, hypergeometric"

SEED = 20_240_229
"""Permutations are part of the method, not of the data: the same batch always gets the same verdict."""


@dataclass(frozen=True)
class DriftSignal(Record):
    """One question about the batch. `score` is a p-value, drifted below `threshold`; `effect`: how much moved."""

    name: str
    method: str
    score: float
    threshold: float
    drifted: bool
    effect: float
    detail: str


@dataclass(frozen=True)
class DriftVerdict(Record):
    """All signals; `drifted` when any of them is."""

    drifted: bool
    signals: tuple[DriftSignal, ...]
    images: int
    reference_images: int
    sentence: str


@dataclass(frozen=True)
class _Finding:
    name: str
    method: str
    difference: Difference
    detail: str


def detect_drift(
    current: pd.DataFrame | DriftReference,
    reference: DriftReference,
    config: MonitorConfig,
    classes: Sequence[str],
) -> DriftVerdict:
    """The verdict on a batch of predictions (`load_predictions`) against the reference of the bundle that made them.

    Each signal's threshold is `config.p_value` over the number of signals (Bonferroni). DataError for fewer than
    `config.min_images`, or when the batch comes from another model.
    """
    batch = as_batch(current, reference, config, classes)
    threshold = signal_threshold(config)
    resample = Resampling.for_threshold(threshold, seed=SEED)
    findings = (
        *_statistics(batch, reference),
        _exposure(batch, reference),
        _confidence(batch, reference),
        _labels(batch, reference, classes, resample),
        _cloud(batch, reference, resample),
        _strangers(batch, reference),
    )
    signals = tuple(_signal(finding, threshold) for finding in findings)
    return DriftVerdict(
        drifted=any(signal.drifted for signal in signals),
        signals=signals,
        images=len(batch),
        reference_images=len(reference),
        sentence=_sentence(signals, len(batch), len(reference)),
    )


SIGNALS = (*STATISTICS, "exposure", "confidence", "predicted class", "embedding", "novelty")


def signal_threshold(config: MonitorConfig) -> float:
    """The p-value below which one signal counts, so that all of them together keep to `config.p_value`."""
    return config.p_value / len(SIGNALS)


def as_batch(
    current: pd.DataFrame | DriftReference,
    reference: DriftReference,
    config: MonitorConfig,
    classes: Sequence[str],
) -> DriftReference:
    """The batch as arrays that fit the reference, or a DataError that says what does not."""
    batch = current
    if isinstance(batch, pd.DataFrame):
        _enough(len(batch), config, "the batch")
        batch = DriftReference.from_predictions(batch)
    _enough(len(batch), config, "the batch")
    _enough(len(reference), config, "the drift reference")
    for name, array in batch.vectors().items():
        expected = reference.vectors()[name].shape[1]
        if array.shape[1] != expected:
            raise DataError(
                f"{name} has {array.shape[1]} values per image, the reference has {expected}: "
                "compare with the bundle that made these predictions"
            )
    if reference.probabilities.shape[1] != len(classes):
        raise DataError(
            f"{len(classes)} class names for {reference.probabilities.shape[1]} probabilities: "
            "take the names from the bundle's manifest"
        )
    return batch


def _enough(images: int, config: MonitorConfig, what: str) -> None:
    if images < config.min_images:
        raise DataError(
            f"{what} has {images} images, drift needs at least {config.min_images}: "
            "wait for more or lower monitor.min_images"
        )


def _statistics(batch: DriftReference, reference: DriftReference) -> list[_Finding]:
    found = []
    for column, name in enumerate(STATISTICS):
        here, there = _column(batch.statistics, column), _column(reference.statistics, column)
        detail = f"median {np.median(there):.4g} → {np.median(here):.4g}"
        difference = level_and_shape(here, there, reference.groups)
        found.append(_Finding(name, LEVEL_AND_SHAPE, difference, detail))
    return found


def _exposure(batch: DriftReference, reference: DriftReference) -> _Finding:
    """Brightness beyond what the kind of surface explains: finds a dim lamp where parts differ more than lamps do."""
    design, wanted = _explaining(reference), _column(reference.statistics, 0)
    ridge = 1e-3 * len(reference) * np.eye(design.shape[1])
    weights = np.linalg.solve(design.T @ design + ridge, design.T @ wanted)
    here = _column(batch.statistics, 0) - _explaining(batch) @ weights
    there = wanted - design @ weights
    shift = np.median(here) - np.median(there)
    detail = f"{shift:+.3g} grey levels against surfaces of the same kind"
    return _Finding("exposure", LEVEL, level(here, there, reference.groups), detail)


def _explaining(sample: DriftReference) -> Matrix:
    """(N, C + 2): logarithms of contrast and sharpness, class probabilities (all but one), a constant."""
    logarithms = np.log1p(np.maximum(sample.statistics[:, 1:], 0.0))
    constant = np.ones((len(sample), 1))
    columns = [logarithms, sample.probabilities[:, :-1], constant]
    return np.concatenate(columns, axis=1).astype(np.float64)


def _column(array: Array, column: int) -> Matrix:
    return array[:, column].astype(np.float64)


def _confidence(batch: DriftReference, reference: DriftReference) -> _Finding:
    here = batch.probabilities.max(axis=1).astype(np.float64)
    there = reference.probabilities.max(axis=1).astype(np.float64)
    detail = f"median {np.median(there):.3f} → {np.median(here):.3f}"
    return _Finding("confidence", KS, shape(here, there, reference.groups), detail)


def _labels(
    batch: DriftReference, reference: DriftReference, classes: Sequence[str], resample: Resampling
) -> _Finding:
    here, there = batch.probabilities.argmax(axis=1), reference.probabilities.argmax(axis=1)
    found = hellinger(here, there, len(classes), reference.groups, resample)
    shares = [np.bincount(labels, minlength=len(classes)) / len(labels) for labels in (there, here)]
    moved = int(np.abs(shares[1] - shares[0]).argmax())
    detail = f"'{classes[moved]}' {shares[0][moved]:.0%} → {shares[1][moved]:.0%}"
    return _Finding("predicted class", HELLINGER, found, detail)


def _cloud(batch: DriftReference, reference: DriftReference, resample: Resampling) -> _Finding:
    found = mean_discrepancy(_wide(batch), _wide(reference), reference.groups, resample)
    return _Finding("embedding", MMD, found, f"squared MMD {found.effect:.3g}")


def _strangers(batch: DriftReference, reference: DriftReference) -> _Finding:
    scores = novelty_scores(_wide(batch), _wide(reference), reference.groups)
    found = tail_count(*scores, reference.groups)
    detail = f"{found.effect:.0%} of images lie beyond 95% of the reference"
    return _Finding("novelty", TAIL, found, detail)


def _wide(sample: DriftReference) -> Matrix:
    return sample.embedding.astype(np.float64)


def _signal(finding: _Finding, threshold: float) -> DriftSignal:
    score = finding.difference.p_value
    return DriftSignal(
        finding.name,
        finding.method,
        score,
        threshold,
        score < threshold,
        finding.difference.effect,
        finding.detail,
    )


def _sentence(signals: Sequence[DriftSignal], images: int, reference: int) -> str:
    moved = sorted((signal for signal in signals if signal.drifted), key=lambda one: one.score)
    if not moved:
        return (
            f"no drift: {images} images against {reference} of the reference, "
            f"none of {len(signals)} signals below p = {signals[0].threshold:.2g}"
        )
    told = "; ".join(f"{one.name} {one.detail} (p = {one.score:.1g})" for one in moved)
    return f"drift: {len(moved)} of {len(signals)} signals moved: {told}"
