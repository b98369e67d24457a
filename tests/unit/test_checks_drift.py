from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_checks.drift import (
    DriftReference,
    DriftVerdict,
    detect_drift,
    frechet,
    watch_streams,
)
from data_checks.drift_measures import ALL_SIGNALS
from data_checks.drift_reference import check_reference_size
from deploy.edge.statistics import FIRST, STATISTICS
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


def test_clean_batches__keep_to_the_level() -> None:
    loose = MonitorConfig(false_alarms_per_month=5, batches_per_month=100)
    alarms = sum(
        detect_drift(batch(n, 100), REFERENCE, loose, CLASSES).drifted for n in range(1, 41)
    )

    # At 5 %, seven or more of forty has a chance of 0.3 %; at a level of 0 there would be none in 400 either.
    assert alarms < 7


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
    for seed in range(1, 4):
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

    assert {signal.name for signal in clean.signals} <= set(ALL_SIGNALS)
    assert {signal.threshold for signal in clean.signals} == {CONFIG.level()} == {1 / 500}
    assert all(signal.method for signal in clean.signals)
    assert clean.sentence.startswith("no drift: 100 images against 160")
    assert "brightness" in dark.sentence
    assert (clean.cause, dark.cause) == ("", "light")
    assert (dark.images, dark.reference_images) == (100, 160)
    assert DriftVerdict.from_json(dark.to_json()) == dark


def test_verdict__is_the_same_every_time() -> None:
    assert verdict(batch(1, 100)) == verdict(batch(1, 100))


def test_budget__sets_how_readily_it_alarms() -> None:
    careful = MonitorConfig(false_alarms_per_month=1e-6, batches_per_month=10_000)
    slight = batch(4, 100, light=-7.0)

    assert verdict(slight).drifted
    assert not detect_drift(slight, REFERENCE, careful, CLASSES).drifted
    assert careful.level() == pytest.approx(1e-10)
    assert MonitorConfig(false_alarms_per_month=1e9).level() == 0.5


def test_streams__share_the_budget_and_are_judged_apart() -> None:
    left, right = batch(1, 60), batch(2, 60, light=-40.0)
    both = DriftReference(
        *(
            np.concatenate(pair)
            for pair in zip(*(s.vectors().values() for s in (left, right)), strict=True)
        ),
        streams=np.array(["left"] * 60 + ["right"] * 57 + ["new"] * 3),
    )
    found = watch_streams(both, REFERENCE, CONFIG, CLASSES)

    assert [(one.stream, one.drifted) for one in found.verdicts] == [
        ("left", False),
        ("right", True),
    ]
    assert found.drifted
    assert found.too_small == ("new: 3 images",)
    assert "fewer than 30 images, not judged: new: 3 images" in found.sentence
    assert {one.signals[0].threshold for one in found.verdicts} == {CONFIG.level() / 2}
    assert type(found).from_json(found.to_json()) == found


def test_streams_that_are_all_too_small__are_one_line() -> None:
    small = dataclasses.replace(batch(1, 40), streams=np.array(["a", "b"] * 20))

    with pytest.raises(DataError, match="20 images, drift needs at least 30"):
        watch_streams(small, REFERENCE, CONFIG, CLASSES)


def test_predictions__count_like_arrays() -> None:
    current = batch(2, 60)
    frame = pd.DataFrame(current.statistics, columns=list(STATISTICS[:FIRST]))
    frame["probabilities"] = list(current.probabilities)
    frame["embedding"] = list(current.embedding)

    assert detect_drift(frame, REFERENCE, CONFIG, CLASSES) == verdict(current)


def test_reference__survives_its_arrays_with_and_without_groups_and_streams() -> None:
    grouped = dataclasses.replace(REFERENCE, groups=np.arange(160) // 4)
    placed = dataclasses.replace(REFERENCE, streams=np.array(["line 3", ""] * 80))

    for reference in (REFERENCE, grouped, placed):
        again = DriftReference.from_arrays(reference.to_arrays())
        assert again.to_arrays().keys() == reference.to_arrays().keys()
        for name, array in again.to_arrays().items():
            assert np.array_equal(array, reference.to_arrays()[name])


def test_groups_in_the_reference__quieten_repeated_photographs() -> None:
    parts = np.arange(200) % 25
    few = DriftReference(*(a[parts] for a in batch(0, 25).vectors().values()))
    grouped = dataclasses.replace(few, groups=parts)
    others = DriftReference(*(a[parts] for a in batch(9, 25).vectors().values()))

    assert verdict(others, few).drifted, "copies must fool the test that knows no groups"
    assert not verdict(others, grouped).drifted


def test_frechet__of_shifted_and_stretched_clouds() -> None:
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(900, 3))

    assert frechet(cloud, cloud) == pytest.approx(0.0, abs=1e-6)
    assert frechet(cloud, cloud + np.array([3.0, 4.0, 0.0])) == pytest.approx(5.0, rel=1e-6)
    # N(0, 1) against N(0, 2²) in three directions: sqrt(3 (2 - 1)²), on a sample.
    assert frechet(cloud, 2.0 * cloud) == pytest.approx(np.sqrt(3.0), rel=0.05)


FAULTS = [
    (batch(1, 29), REFERENCE, CLASSES, "29 images, drift needs at least 30"),
    (batch(1, 60), batch(0, 20), CLASSES, "the drift reference has 20 images"),
    (batch(1, 60, classes=4), REFERENCE, CLASSES, "probabilities has 4 values"),
    (batch(1, 60), REFERENCE, ("ok", "bad"), "2 class names for 3 probabilities"),
    (
        batch(1, 60),
        dataclasses.replace(REFERENCE, groups=np.arange(160) % 7),
        CLASSES,
        "shows 7 different parts, chance needs at least 20",
    ),
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
        ("streams", np.array(["a"]), "streams must be one per image"),
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
