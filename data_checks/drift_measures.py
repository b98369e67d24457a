"""What drift is looked for in, as numbers of each image: how it was taken, what the model said, how strange it is.

Every signal is made of means of columns with a number per image, so that chance can be asked of the reference
thousands of times by one multiplication (`drift_calibration`). Covered: numbers that stay when only the lamp changes
(focus, place, direction), and brightness that the kind of surface does not explain. Not covered: pixels; nothing here
sees an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data_checks.drift_reference import DriftReference
from data_checks.strangeness import Strangeness
from data_checks.two_samples import Labels, Matrix
from deploy.edge.statistics import FIRST, STATISTICS

WAVES = 128
"""Random waves that stand for the Gaussian kernel (A. Rahimi and B. Recht, Random features, 2007)."""
SIDES = ("left", "right", "top", "bottom")
TAILS = (0.10, 0.05, 0.01)
"""Shares of the reference that count as strange: one for a few far images, one for many near ones."""

SIGNALS: Mapping[str, tuple[str, ...]] = {
    "brightness": ("brightness",),
    "exposure": ("exposure",),
    "contrast": ("contrast", "relative contrast"),
    "sharpness": ("sharpness", "coarseness", "detail"),
    "focus": ("focus",),
    "compression": ("blocks",),
    "clipping": ("dark", "bright"),
    "direction": ("grain", "tilt"),
    "place": (
        *(f"{side} light" for side in SIDES),
        *(f"{side} detail" for side in SIDES),
        "sideways detail",
        "upright detail",
    ),
    "confidence": ("confidence",),
}
"""Signals made of numbers, and of which; old logs and bundles lack some."""
SHARES, CLOUD, STRANGE = "predicted class", "embedding", "novelty"
ALL_SIGNALS = (*SIGNALS, SHARES, CLOUD, STRANGE)


@dataclass(frozen=True, eq=False)
class Measures:
    """`numbers` by name (N,); `labels` (N,) of `classes`; `waves` (N, 2 * WAVES); `strange` (N, 3)."""

    numbers: Mapping[str, Matrix]
    labels: Labels
    classes: int
    waves: Matrix
    strange: Matrix


@dataclass(frozen=True, eq=False)
class Ruler:
    """Measures any batch as the reference is measured; `reference` are the reference's own measures."""

    known: int
    weights: Matrix
    mean: Matrix
    directions: Matrix
    strangeness: Strangeness
    reference: Measures

    @classmethod
    def of(cls, reference: DriftReference, known: int, rng: np.random.Generator) -> Ruler:
        """Learned from the reference alone; `known`: of the image statistics, how many both sides have."""
        embedding = reference.embedding.astype(np.float64)
        mean, directions = embedding.mean(axis=0), _directions(embedding, rng)
        labels = np.asarray(reference.probabilities.argmax(axis=1), np.int64)
        strangeness = Strangeness.of(embedding, labels, reference.groups)
        weights = _explained(reference, known)
        own = _measures(reference, known, weights, (embedding - mean) @ directions, strangeness.own)
        return cls(known, weights, mean, directions, strangeness, own)

    def measures(self, batch: DriftReference) -> Measures:
        """Of other images."""
        embedding = batch.embedding.astype(np.float64)
        phases = (embedding - self.mean) @ self.directions
        strange = self.strangeness.scores(embedding)
        return _measures(batch, self.known, self.weights, phases, strange)


def _directions(embedding: Matrix, rng: np.random.Generator) -> Matrix:
    """(D, WAVES): a Gaussian kernel as wide as scaled points are apart, by the median."""
    spread = embedding.std(axis=0)
    # A feature that hardly ever moved in the reference would shout when it does.
    spread = np.maximum(spread, 0.3 * np.median(spread)) if spread.any() else np.ones_like(spread)
    scaled = embedding / np.where(spread > 1e-9, spread, np.inf)
    apart = np.linalg.norm(scaled - scaled[rng.permutation(len(scaled))], axis=1)
    width = float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
    waves = rng.normal(size=(embedding.shape[1], WAVES)) / width
    return np.asarray(waves / np.where(spread > 1e-9, spread, np.inf)[:, None])


def _measures(
    sample: DriftReference, known: int, weights: Matrix, phases: Matrix, strange: Matrix
) -> Measures:
    numbers = _numbers(sample, known)
    expected = _explaining(sample, numbers) @ weights
    numbers["exposure"] = numbers["brightness"] - expected
    numbers["confidence"] = sample.probabilities.max(axis=1).astype(np.float64)
    waves = np.concatenate([np.cos(phases), np.sin(phases)], axis=1)
    labels = np.asarray(sample.probabilities.argmax(axis=1), np.int64)
    return Measures(numbers, labels, sample.probabilities.shape[1], waves, strange)


def _numbers(sample: DriftReference, known: int) -> dict[str, Matrix]:
    """A factor on all grey levels moves only `brightness`, `contrast`, `sharpness`; constants keep logarithms calm."""
    columns = sample.statistics[:, :known].T.astype(np.float64)
    s = dict(zip(STATISTICS[:known], columns, strict=True))
    bright, contrast = np.log(s["brightness"] + 1.0), np.log(s["contrast"] + 0.1)
    sharp = np.log(s["sharpness"] + 1.0)
    numbers = {
        "brightness": bright,
        "contrast": contrast,
        "relative contrast": contrast - bright,
        "sharpness": sharp,
        "coarseness": sharp - 2.0 * contrast,
    }
    return numbers | (_further(s, sharp, contrast) if known > FIRST else {})


def _further(s: Mapping[str, Matrix], sharp: Matrix, contrast: Matrix) -> dict[str, Matrix]:
    """Of statistics that the first versions of the device did not log."""
    detail = np.log(s["detail"] + 0.1)
    sides = {side: np.log(s[f"{side}_detail"] + 0.02) for side in SIDES}
    return {
        "detail": detail - 2.0 * contrast,
        "focus": sharp - detail,
        "blocks": np.log(np.maximum(s["blocks"], 0.0) + 0.03),
        "dark": np.log(s["dark"] + 1e-4),
        "bright": np.log(s["bright"] + 1e-4),
        "grain": s["grain"],
        "tilt": s["tilt"],
        **{f"{side} light": s[side] for side in SIDES},
        **{f"{side} detail": sides[side] for side in SIDES},
        "sideways detail": sides["left"] + sides["right"],
        "upright detail": sides["top"] + sides["bottom"],
    }


def _explaining(sample: DriftReference, numbers: Mapping[str, Matrix]) -> Matrix:
    """What says which surface it is, whatever the lamp: relative contrast, grain, classes (all but one), a constant."""
    named = [numbers[name] for name in ("relative contrast", "grain") if name in numbers]
    constant = np.ones((len(sample), 1))
    classes = sample.probabilities[:, :-1].astype(np.float64)
    return np.concatenate([np.stack(named, axis=1), classes, constant], axis=1)


def _explained(reference: DriftReference, known: int) -> Matrix:
    """Weights by which brightness follows from the kind of surface."""
    numbers = _numbers(reference, known)
    design = _explaining(reference, numbers)
    ridge = 1e-3 * len(reference) * np.eye(design.shape[1])
    return np.asarray(np.linalg.solve(design.T @ design + ridge, design.T @ numbers["brightness"]))
