"""Planted faults of camera, transport and mount: each is named; a drifted batch without one is not blamed on them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from data_checks import drift_words
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
    shifts = typical_shifts(measures, ruler.reference).values()
    assert max(abs(shift.spreads) for shift in shifts) < 0.6
    assert not any(shift.new for shift in shifts)


def black_after(images: int) -> Change:
    """The first `images` pictures as they are, then pictures of nothing."""
    seen = itertools.count()
    return lambda pixels: pixels if next(seen) < images else np.zeros_like(pixels)


@pytest.mark.parametrize("share", [50, 60, 80])
def test_pictures_of_nothing_among_the_others__are_no_fault_of_the_rig(share: int) -> None:
    found = verdict(batch(1, 100, black_after(100 - share)))

    assert found.cause == "unknown appearance"


def test_a_dead_lamp__is_light() -> None:
    assert verdict(batch(1, 100, black_after(0))).cause == "light"


def test_what_never_moved_in_the_reference__is_said_in_words() -> None:
    half, few = (verdict(batch(1, 100, black_after(100 - share))) for share in (50, 30))

    (clipped,) = [signal for signal in half.signals if signal.name == "clipping"]
    assert clipped.detail == "dark moved on the typical image, where the reference stands still"
    assert clipped.effect == 0.0
    assert "+0.00" not in few.sentence
    assert "clipping dark is as it was on the typical image, not on all" in few.sentence


@pytest.mark.parametrize(("by", "told"), [(0.0009, "spreads"), (0.02, "stands still")])
def test_a_number_of_spreads_that_tells_nothing__is_not_told(by: float, told: str) -> None:
    """The confidence of a model that is always sure."""
    there = Ruler.of(REFERENCE, REFERENCE.statistics.shape[1], np.random.default_rng(0)).reference
    sure = np.linspace(-1.349, 1.349, len(there.labels)) * 1e-5
    rng = np.random.default_rng(1)
    reference = replace(there, numbers={"confidence": rng.permutation(sure)})
    batch = replace(there, numbers={"confidence": reference.numbers["confidence"] + by})
    shifts = typical_shifts(batch, reference)
    assert told in drift_words.told("confidence", batch, reference, shifts, CLASSES)[1]


def test_size_alone__never_names_a_cause() -> None:
    """A side that was black in every picture of the reference has no spread; the lamp has."""
    there = Ruler.of(REFERENCE, REFERENCE.statistics.shape[1], np.random.default_rng(0)).reference
    still = {**there.numbers, "left detail": np.zeros(len(there.labels))}
    moved_too = {**still, "left detail": np.full(len(there.labels), 0.5)}
    dim = {**moved_too, "brightness": there.numbers["brightness"] - 0.2}
    reference = replace(there, numbers=still)
    drifted = ["brightness", "place"]

    both = likely_cause(replace(there, numbers=dim), reference, drifted)
    alone = likely_cause(replace(there, numbers=moved_too), reference, drifted)
    assert both.name == "light"
    assert (alone.name, alone.evidence) == (
        "camera moved",
        "left detail moved on the typical image, where the reference stands still",
    )
