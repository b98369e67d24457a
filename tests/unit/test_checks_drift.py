from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_checks.drift import (
    SIGNALS,
    DriftReference,
    DriftVerdict,
    detect_drift,
    signal_threshold,
)
from data_checks.drift_reference import check_reference_size
from inspection.config import MonitorConfig
from inspection.errors import DataError
from tests.unit.checks_material import batch

pytestmark = pytest.mark.thorough

CLASSES = ("ok", "dent", "scratch")
CONFIG = MonitorConfig()
REFERENCE = batch(0, 160)


def verdict(current: DriftReference, reference: DriftReference = REFERENCE) -> DriftVerdict:
    return detect_drift(current, reference, CONFIG, CLASSES)


def moved(current: DriftReference) -> set[str]:
    return {signal.name for signal in verdict(current).signals if signal.drifted}


def test_clean_batches__pass() -> None:
    alarms = [seed for seed in range(1, 41) if verdict(batch(seed, 100)).drifted]

    # At 1 % each, three or more of forty has a chance of 0.7 %.
    assert len(alarms) < 3


@pytest.mark.parametrize(
    ("change", "signals"),
    [
        ({"light": -15.0}, {"brightness", "exposure"}),
        ({"blur": 0.6}, {"contrast", "sharpness"}),
        ({"shift": 1.0}, {"embedding"}),
        ({"strangers": 12}, {"novelty"}),
    ],
    ids=["darker", "blurred", "moved", "a few strangers"],
)
def test_change__is_flagged_by_the_signal_for_it(change: dict[str, Any], signals: set[str]) -> None:
    for seed in range(1, 6):
        assert signals <= moved(batch(seed, 100, **change))


def test_class_mix__is_flagged() -> None:
    whole = batch(3, 400)
    kept = whole.probabilities.argmax(axis=1) == 1
    one_class = DriftReference(
        whole.statistics[kept], whole.probabilities[kept], whole.embedding[kept]
    )

    assert "predicted class" in moved(one_class)


def test_smallest_batch__still_sees_a_dark_lamp() -> None:
    assert verdict(batch(5, CONFIG.min_images, light=-30.0)).drifted


def test_verdict__names_methods_thresholds_and_speaks() -> None:
    clean, dark = verdict(batch(1, 100)), verdict(batch(1, 100, light=-40.0))

    assert tuple(signal.name for signal in clean.signals) == SIGNALS
    assert {signal.threshold for signal in clean.signals} == {CONFIG.p_value / len(SIGNALS)}
    assert all(signal.method for signal in clean.signals)
    assert clean.sentence.startswith("no drift: 100 images against 160")
    assert "brightness median" in dark.sentence
    assert (dark.images, dark.reference_images) == (100, 160)
    assert DriftVerdict.from_json(dark.to_json()) == dark


def test_verdict__is_the_same_every_time() -> None:
    assert verdict(batch(1, 100)) == verdict(batch(1, 100))


def test_p_value__sets_how_readily_it_alarms() -> None:
    careful = MonitorConfig(p_value=1e-9)
    slight = batch(4, 100, light=-6.0)

    assert verdict(slight).drifted
    assert not detect_drift(slight, REFERENCE, careful, CLASSES).drifted
    assert signal_threshold(careful) == pytest.approx(1e-9 / len(SIGNALS))


def test_predictions__count_like_arrays() -> None:
    current = batch(2, 60)
    frame = pd.DataFrame(current.statistics, columns=["brightness", "contrast", "sharpness"])
    frame["probabilities"] = list(current.probabilities)
    frame["embedding"] = list(current.embedding)

    assert detect_drift(frame, REFERENCE, CONFIG, CLASSES) == verdict(current)


def test_reference__survives_its_arrays_with_and_without_groups() -> None:
    grouped = dataclasses.replace(REFERENCE, groups=np.arange(160) // 4)

    for reference in (REFERENCE, grouped):
        again = DriftReference.from_arrays(reference.to_arrays())
        assert again.to_arrays().keys() == reference.to_arrays().keys()
        for name, array in again.to_arrays().items():
            assert np.array_equal(array, reference.to_arrays()[name])


def test_groups_in_the_reference__quieten_repeated_photographs() -> None:
    parts, groups = np.arange(160) % 20, np.arange(160) % 20
    few = DriftReference(*(a[parts] for a in batch(0, 20).vectors().values()))
    grouped = dataclasses.replace(few, groups=groups)
    others = DriftReference(*(a[parts] for a in batch(9, 20).vectors().values()))

    assert verdict(others, few).drifted, "copies must fool the test that knows no groups"
    assert not verdict(others, grouped).drifted


FAULTS = [
    (batch(1, 29), REFERENCE, CLASSES, "29 images, drift needs at least 30"),
    (batch(1, 60), batch(0, 20), CLASSES, "the drift reference has 20 images"),
    (batch(1, 60, classes=4), REFERENCE, CLASSES, "probabilities has 4 values"),
    (batch(1, 60), REFERENCE, ("ok", "bad"), "2 class names for 3 probabilities"),
]


@pytest.mark.parametrize(("current", "reference", "classes", "message"), FAULTS)
def test_what_does_not_fit__is_one_line(
    current: DriftReference, reference: DriftReference, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        detect_drift(current, reference, CONFIG, classes)

    assert len(str(caught.value).splitlines()) == 1


def test_empty_log__is_too_few() -> None:
    with pytest.raises(DataError, match="0 images"):
        detect_drift(pd.DataFrame(), REFERENCE, CONFIG, CLASSES)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("probabilities", np.zeros((3, 2)), "one row per image"),
        ("embedding", np.full((160, 16), np.nan), "not finite"),
        ("statistics", np.zeros((160, 2)), "brightness, contrast, sharpness"),
        ("groups", np.zeros(3), "groups must be one per image"),
    ],
)
def test_broken_arrays__are_refused(name: str, array: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        DriftReference.from_arrays({**REFERENCE.to_arrays(), name: array})


def test_missing_arrays__are_named() -> None:
    with pytest.raises(DataError, match="lacks probabilities, embedding"):
        DriftReference.from_arrays({"statistics": REFERENCE.statistics})


def test_reference__too_small_for_the_monitor_is_warned_about() -> None:
    assert check_reference_size(30, 30).passed
    small = check_reference_size(12, 30)
    assert not small.passed
    assert small.severity == "warning"
    assert "12 validation images" in small.sentence
    assert "split.val" in small.advice
