"""From probabilities to what happens to the part: the one decision that evaluation, certificate and device share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from deploy.edge.errors import EngineError
from deploy.edge.spec import Decision

Outcome = Literal["accept", "reject", "review", "classified"]


@dataclass(frozen=True)
class Verdict:
    """The answer for one image; `confidence` is P(label), `p_defect` 1 - P(ok), or None without an ok class."""

    label: str
    confidence: float
    outcome: Outcome
    p_defect: float | None


def decide(
    probabilities: npt.NDArray[np.floating], classes: Sequence[str], decision: Decision
) -> Verdict:
    """Verdict from calibrated probabilities (C,); doubt goes first, so an unsure image is never waved through."""
    if probabilities.shape != (len(classes),):
        raise EngineError(f"{len(classes)} classes but probabilities {probabilities.shape}")
    if not np.isfinite(probabilities).all():
        raise EngineError("the graph answered with NaN or infinity: export the model again")
    top = int(probabilities.argmax())
    confidence = float(probabilities[top])
    p_defect = None
    if decision.ok_class is not None:
        p_defect = 1.0 - float(probabilities[list(classes).index(decision.ok_class)])
    return Verdict(classes[top], confidence, _outcome(confidence, p_defect, decision), p_defect)


def _outcome(confidence: float, p_defect: float | None, decision: Decision) -> Outcome:
    if confidence < decision.review_below:
        return "review"
    if p_defect is None:
        return "classified"
    if p_defect >= decision.reject_at:
        return "reject"
    if decision.accept_below is not None and p_defect >= decision.accept_below:
        return "review"
    return "accept"
