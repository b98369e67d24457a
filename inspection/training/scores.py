"""How good a set of logits is on validation images: the yardstick that picks heads, epochs and checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inspection.evaluation.calibration import fit_temperature, softmax
from inspection.records import Record


@dataclass(frozen=True)
class Score(Record):
    """All classes count the same, but in `accuracy`; `loss` is in nats, at the best temperature."""

    accuracy: float
    macro_f1: float
    balanced_accuracy: float
    loss: float
    temperature: float

    def beats(self, other: Score | None) -> bool:
        """A better macro-F1, or an equal one with less surprise: small validation sets have many ties."""
        if other is None:
            return True
        return (self.macro_f1, -self.loss) > (other.macro_f1, -other.loss)


def score(logits: npt.NDArray[Any], labels: npt.NDArray[np.int64]) -> Score:
    """The score of logits (N, C) against class numbers (N,)."""
    temperature = fit_temperature(logits, labels)
    true = softmax(logits, temperature)[np.arange(len(labels)), labels]
    surprise = -np.log(np.clip(true, 1e-12, 1.0))
    predictions = logits.argmax(axis=1)
    right = predictions == labels
    present = np.unique(labels)
    return Score(
        accuracy=float(right.mean()),
        macro_f1=float(np.mean([_f1(predictions == k, labels == k) for k in present])),
        balanced_accuracy=float(np.mean([right[labels == k].mean() for k in present])),
        loss=float(np.mean([surprise[labels == k].mean() for k in present])),
        temperature=temperature,
    )


def _f1(said: npt.NDArray[np.bool_], true: npt.NDArray[np.bool_]) -> float:
    return float(2.0 * (said & true).sum() / (said.sum() + true.sum()))
