"""Planted faults of camera, transport and mount: each is named; a drifted batch without one is not blamed on them."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from data_checks.drift import DriftVerdict, detect_drift
from data_checks.drift_cause import NO_CAUSE, REMEDIES, UNKNOWN, likely_cause, typical_shifts
from data_checks.drift_measures import Ruler
from data_checks.drift_reference import DriftReference
from deploy.edge.statistics import FIRST
from inspection.config import DriftCause, MonitorConfig
from tests.unit.drift_images import CLASSES, Change, batch, blurred, compressed, darker, moved

REFERENCE = batch(0, 240)


def verdict(current: DriftReference, reference: DriftReference = REFERENCE) -> DriftVerdict:
    return detect_drift(current, reference, MonitorConfig(), CLASSES)


def test_the_loops_config_knows_every_cause_by_its_name() -> None:
    assert get_args(DriftCause) == tuple(REMEDIES)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (darker, "light"),
        (blurred, "focus or lens"),
        (compressed, "compression"),
        (moved, "camera moved"),
    ],
)
def test_fault__is_named_with_its_remedy(change: Change, cause: str) -> None:
    found = verdict(batch(1, 100, change))

    assert found.cause == cause
    assert found.remedy == REMEDIES[cause]
    assert found.evidence
    assert f"likely cause: {cause}" in found.sentence


def test_strangers__are_an_unknown_appearance() -> None:
    found = verdict(batch(2, 100, strangers=15))

    assert found.cause == "unknown appearance"
    assert "novelty" in {signal.name for signal in found.signals if signal.drifted}


def test_other_answers_to_the_same_images__are_a_stale_model() -> None:
    steady = batch(3, 100)
    unsure = np.full_like(steady.probabilities, 0.5)
    unsure[:, 0] += 1e-3
    found = verdict(DriftReference(steady.statistics, unsure, steady.embedding))

    assert found.cause == "model stale"


def test_old_log__still_tells_light_from_focus() -> None:
    def old(sample: DriftReference) -> DriftReference:
        first = sample.statistics[:, :FIRST]
        return DriftReference(first, sample.probabilities, sample.embedding)

    assert verdict(old(batch(1, 100, darker))).cause == "light"
    assert verdict(old(batch(1, 100, blurred)), old(REFERENCE)).cause == "focus or lens"


def test_no_drift__has_no_cause() -> None:
    ruler = Ruler.of(REFERENCE, REFERENCE.statistics.shape[1], np.random.default_rng(0))
    measures = ruler.measures(batch(4, 100))

    assert likely_cause(measures, ruler.reference, []) == NO_CAUSE
    assert likely_cause(measures, ruler.reference, ["clipping"]).name == UNKNOWN
    assert max(abs(shift) for shift in typical_shifts(measures, ruler.reference).values()) < 0.6
