"""Charts draw every figure they are given, say in words what they show, and survive odd ranges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.evaluation.calibration import ReliabilityBin
from inspection.evaluation.intervals import Proportion
from inspection.evaluation.latency import Latency
from inspection.evaluation.metrics import evaluate
from inspection.reporting.charts import (
    feature_map,
    interval_bar,
    reliability,
    speed,
    training_curves,
)
from inspection.reporting.svg import MARKS, Plot, Scale, mark, nice
from tests.unit.reporting_audit import audit

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


@given(FINITE, FINITE, st.integers(2, 12))
def test_ticks_are_few_even_and_inside(a: float, b: float, most: int) -> None:
    low, high = sorted((a, b))
    if high - low < 1e-6 * max(1.0, abs(low), abs(high)):
        return
    ticks = nice(low, high, most)
    steps = np.diff(ticks)
    assert len(ticks) <= most + 2
    assert all(low - 1e-6 * (high - low) <= t <= high + 1e-6 * (high - low) for t in ticks)
    assert np.allclose(steps, steps[:1], rtol=1e-3)


def test_a_scale_maps_ends_to_ends_and_keeps_order() -> None:
    scale = Scale(2.0, 10.0, 50.0, 500.0)
    assert (scale(2.0), scale(10.0), scale(6.0)) == (50.0, 500.0, 275.0)
    upwards = Scale(0.0, 1.0, 300.0, 10.0)
    assert upwards(0.2) > upwards(0.8)


def test_a_logarithmic_scale_gives_each_decade_the_same_room() -> None:
    scale = Scale(0.1, 1000.0, 0.0, 400.0, log=True)
    assert [scale(10.0**k) for k in (-1, 0, 1, 2, 3)] == pytest.approx([0, 100, 200, 300, 400])
    assert scale.ticks()[:4] == [0.1, 0.2, 0.5, 1.0]


def test_a_range_of_nothing_is_drawn_in_the_middle() -> None:
    assert Scale(3.0, 3.0, 0.0, 100.0)(3.0) == 50.0
    assert nice(3.0, 3.0) == [3.0]


def test_the_six_marks_differ() -> None:
    assert len({mark(k, 10, 10, 4) for k in range(MARKS)}) == MARKS
    assert mark(MARKS, 10, 10, 4) == mark(0, 10, 10, 4)


def test_the_feature_map_has_a_titled_mark_per_image() -> None:
    points = np.random.default_rng(0).normal(size=(30, 2))
    labels = ["a", "b", "c"] * 10
    titles = [f"{label}: {i}.jpg" for i, label in enumerate(labels)]
    found = audit(
        feature_map(points, labels, titles, ["a", "b", "c"], ("x axis", "y axis"), "by PCA")
    )
    assert found.tags["title"] == 1 + 30
    assert found.values("data-series") == ["a", "b", "c"]
    assert found.values("aria-label")[0].endswith("30 images in 3 classes: by PCA")
    assert "y axis" in found.text


def test_training_curves_name_their_ends_and_mark_the_best_epoch() -> None:
    series = {"train": [(1.0, 2.0), (2.0, 1.0), (3.0, 0.5)], "val": [(1.0, 2.2), (3.0, 0.8)]}
    made = training_curves(series, "loss", 2.0, unit_range=False)
    found = audit(made)
    assert found.tags["polyline"] == 2
    assert found.values("aria-label") == ["loss by epoch: train ends at 0.5, val ends at 0.8"]
    assert found.values("class").count("ideal") == 1


def test_one_epoch_is_a_picture_too() -> None:
    made = training_curves({"score": [(1.0, 0.7)]}, "score", 1.0, unit_range=True)
    assert "NaN" not in made
    assert "nan" not in made


def test_reliability_marks_only_bins_with_images_by_their_weight() -> None:
    bins = [
        ReliabilityBin(0.0, 0.5, 0, 0.0, 0.0),
        ReliabilityBin(0.5, 0.75, 10, 0.6, 0.5),
        ReliabilityBin(0.75, 1.0, 90, 0.9, 0.95),
    ]
    found = audit(reliability("student", bins, 0))
    radii = [float(r) for r in found.values("r")]
    assert len(radii) == 2
    assert (radii[1] - 3) / (radii[0] - 3) == pytest.approx(math.sqrt(90 / 10), rel=1e-4)
    assert "90 images, confidence 0.900, right 0.950" in found.text


def test_the_faster_model_stands_left() -> None:
    evaluations = [
        evaluate(name, ["a", "b"], np.eye(2), ["a", "b"], image_ids=["1", "2"], test_digest="t")
        for name in ("teacher", "student")
    ]
    latencies = [Latency(n, "ort", ms, ms, 20, 1, 1, 1) for n, ms in (("t", 40.0), ("s", 1.5))]
    made = speed([(e, lat, (0.8, 1.0)) for e, lat in zip(evaluations, latencies, strict=True)])
    found = audit(made)
    (teacher_x,) = (float(v) for t, n, v in found.attributes if (t, n) == ("circle", "cx"))
    student = next(v for t, n, v in found.attributes if (t, n) == ("path", "d"))
    student_x = float(student.removeprefix("M").split()[0])
    assert student_x < teacher_x
    assert "student 1.000 at 1.50 ms" in found.values("aria-label")[0]


def test_an_interval_bar_says_what_it_shows() -> None:
    found = audit(interval_bar(Proportion.of(9, 10)))
    assert found.values("aria-label") == ["0.900, 95 % interval 0.596 to 0.982"]


def test_a_plot_labels_both_axes() -> None:
    plot = Plot.of((0, 10), (0, 1), ("epoch", "score"))
    found = audit(plot.draw("a chart"))
    assert {"epoch", "score", "10", "0.2"} <= set(found.words)
    assert found.values("role") == ["img"]
