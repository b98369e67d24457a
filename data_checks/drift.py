"""Has what the device sees moved away from what the model was validated on? A verdict per stream, and why.

Covered: light, focus, compression, a moved camera (image statistics), the mix of predicted classes and their
confidence, the cloud of embeddings, and a few strangers among it; all signals together are calibrated to the share of
false alarms that `MonitorConfig` allows, also where parts are photographed several times, if the reference names the
groups. Not covered: bursts of one part the reference knows nothing of (they alarm too often), drift that leaves
statistics, decisions and embeddings alone, and two causes at once (one is named).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import linalg

from data_checks.drift_calibration import Calibration
from data_checks.drift_cause import NO_CAUSE, likely_cause, typical_shifts
from data_checks.drift_measures import CLOUD, SHARES, STRANGE
from data_checks.drift_reference import DriftReference
from data_checks.drift_words import told
from data_checks.two_samples import Matrix, group_codes
from inspection.config import MonitorConfig
from inspection.errors import DataError
from inspection.evaluation.in_service import InService
from inspection.records import Record

__all__ = [
    "SEED",
    "DriftReference",
    "DriftSignal",
    "DriftVerdict",
    "Watched",
    "as_batch",
    "detect_drift",
    "watch_streams",
]

RANKS = "rank mean and spread"
MIX = "class shares"
MMD = "MMD (Gaussian kernel, random features)"
TAIL = "tail counts of three novelty scores"
CHANCE = "; chance from whole groups of the reference"

SEED = 20_240_229
"""Draws are part of the method, not of the data: the same batch always gets the same verdict."""
MOST_TOLD = 4
"""Signals that a sentence names; the page shows them all."""
MOST_POINTS = 1000
"""Of a cloud, for Fréchet's distance, whose cost grows with their cube."""
FEWEST_PARTS = 20
"""Parts in the reference below which dealing them out says little about chance."""


@dataclass(frozen=True)
class DriftSignal(Record):
    """One question about the batch; drifted where `score` is below `threshold`, the alarm level of the batch.

    `score`: the chance that any signal of a clean batch moves so far. `effect`: how far, in spreads of the reference;
    for shares of classes and for novelty a share. 0 where the reference never moved: `detail` says so.
    """

    name: str
    method: str
    score: float
    threshold: float
    drifted: bool
    effect: float
    detail: str


@dataclass(frozen=True)
class DriftVerdict(Record):
    """All signals of one stream; `drifted` when any of them is. `cause` and `remedy` are empty without drift.

    `distance`: Fréchet's between the clouds of embeddings; `decided`: what was accepted, rejected and reviewed, where
    there is a good class. Both are for people; no threshold hangs on them.
    """

    drifted: bool
    signals: tuple[DriftSignal, ...]
    images: int
    reference_images: int
    sentence: str
    stream: str = ""
    cause: str = ""
    remedy: str = ""
    evidence: str = ""
    distance: float = 0.0
    decided: InService | None = None


@dataclass(frozen=True)
class Watched(Record):
    """One look at a line: a verdict per stream, and the streams with too few images to say anything."""

    drifted: bool
    sentence: str
    verdicts: tuple[DriftVerdict, ...]
    too_small: tuple[str, ...]


def watch_streams(
    batch: DriftReference,
    reference: DriftReference,
    config: MonitorConfig,
    classes: Sequence[str],
) -> Watched:
    """Every stream of the batch against the reference of the bundle that made it; they share the alarm budget.

    DataError when no stream has `config.min_images`, or when the batch comes from another model.
    """
    names = [""] if batch.streams is None else sorted(set(batch.streams.tolist()))
    parts = {name: batch.of_stream(name) for name in names}
    enough = {name: part for name, part in parts.items() if len(part) >= config.min_images}
    if not enough:
        largest = max(parts.values(), key=len)
        as_batch(largest, reference, config, classes)  # says what is missing
    verdicts = tuple(
        replace(
            detect_drift(part, reference, config, classes, streams=len(enough)),
            stream=name,
        )
        for name, part in enough.items()
    )
    few = tuple(
        f"{name or 'the batch'}: {len(parts[name])} images" for name in parts if name not in enough
    )
    said = [
        f"{verdict.stream}: {verdict.sentence}" if verdict.stream else verdict.sentence
        for verdict in verdicts
    ]
    waiting = (
        [f"fewer than {config.min_images} images, not judged: {', '.join(few)}"] if few else []
    )
    drifted = any(verdict.drifted for verdict in verdicts)
    return Watched(drifted, "; ".join([*said, *waiting]), verdicts, few)


def detect_drift(
    current: pd.DataFrame | DriftReference,
    reference: DriftReference,
    config: MonitorConfig,
    classes: Sequence[str],
    *,
    streams: int = 1,
) -> DriftVerdict:
    """The verdict on one batch of predictions; `streams` share the alarm budget.

    DataError for fewer than `config.min_images`, or when the batch comes from another model.
    """
    batch = as_batch(current, reference, config, classes)
    known = min(batch.statistics.shape[1], reference.statistics.shape[1])
    rng = np.random.default_rng(SEED)
    calibration = Calibration.of(reference, known, len(batch), rng)
    return judged(batch, reference, calibration, config.level(streams), classes)


def judged(
    batch: DriftReference,
    reference: DriftReference,
    calibration: Calibration,
    level: float,
    classes: Sequence[str],
) -> DriftVerdict:
    """The verdict by a calibration made for batches of this size."""
    here, there = calibration.ruler.measures(batch), calibration.ruler.reference
    shifts = typical_shifts(here, there)
    signals = tuple(
        DriftSignal(
            name,
            _method(name),
            score,
            level,
            score < level,
            *told(name, here, there, shifts, classes),
        )
        for name, score in calibration.judge(here).items()
    )
    drifted = [signal.name for signal in signals if signal.drifted]
    cause = likely_cause(here, there, drifted) if drifted else NO_CAUSE
    sentence = _sentence(signals, len(batch), len(reference), level)
    return DriftVerdict(
        drifted=bool(drifted),
        signals=signals,
        images=len(batch),
        reference_images=len(reference),
        sentence=f"{sentence}; likely cause: {cause.name}; {cause.remedy}" if drifted else sentence,
        cause=cause.name,
        remedy=cause.remedy,
        evidence=cause.evidence,
        distance=frechet(
            batch.embedding.astype(np.float64), reference.embedding.astype(np.float64)
        ),
    )


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
    parts = int(group_codes(len(reference), reference.groups).max()) + 1
    if parts < FEWEST_PARTS:
        raise DataError(
            f"the drift reference shows {parts} different parts, chance needs at least {FEWEST_PARTS}: "
            "add images of other parts or raise split.val, then export again"
        )
    for name in ("probabilities", "embedding"):
        found, expected = (sample.vectors()[name].shape[1] for sample in (batch, reference))
        if found != expected:
            raise DataError(
                f"{name} has {found} values per image, the reference has {expected}: "
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


def frechet(first: Matrix, second: Matrix) -> float:
    """Distance between two clouds (N, D), (M, D) as if they were normal, in the embedding's own unit.

    Source: D. Dowson and B. Landau, The Fréchet distance between multivariate normal distributions, 1982. The trace
    of the root comes from singular values of the centred points, so that D may be in the thousands; of very many
    points every second, third … one is taken.
    """
    first, second = (cloud[:: 1 + len(cloud) // MOST_POINTS] for cloud in (first, second))
    centred = [(cloud - cloud.mean(axis=0)) / np.sqrt(len(cloud)) for cloud in (first, second)]
    apart = float(((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum())
    own = sum(float((cloud**2).sum()) for cloud in centred)
    shared = float(linalg.svdvals(centred[0] @ centred[1].T).sum())
    return float(np.sqrt(max(0.0, apart + own - 2.0 * shared)))


def _method(name: str) -> str:
    return {SHARES: MIX, CLOUD: MMD, STRANGE: TAIL}.get(name, RANKS) + CHANCE


def _sentence(signals: Sequence[DriftSignal], images: int, reference: int, level: float) -> str:
    moved = sorted((signal for signal in signals if signal.drifted), key=lambda one: one.score)
    if not moved:
        return (
            f"no drift: {images} images against {reference} of the reference, "
            f"none of {len(signals)} signals below p = {level:.2g}"
        )
    named = "; ".join(f"{one.name} {one.detail} (p = {one.score:.1g})" for one in moved[:MOST_TOLD])
    more = f" and {len(moved) - MOST_TOLD} more" if len(moved) > MOST_TOLD else ""
    return f"drift: {len(moved)} of {len(signals)} signals moved: {named}{more}"
