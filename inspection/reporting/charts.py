"""The report's pictures of figures: feature map, training curves, reliability, accuracy against latency, intervals.

Drawn as SVG by hand rather than by a plotting library: they follow the page's light, dark and print themes, weigh a few
kilobytes, keep their text selectable and cost no import.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from inspection.evaluation.calibration import ReliabilityBin
from inspection.evaluation.latency import Latency
from inspection.evaluation.metrics import Evaluation
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.svg import Plot, curve, label, mark, segment
from inspection.reporting.wording import Interval, milliseconds, score

COLOURS = 10
"""`--c0` to `--c9` of the style sheet."""
Points = npt.NDArray[np.float64]


def swatch(position: int) -> Html:
    """The sign of a class in legends: its colour and its shape."""
    shape = mark(position, 8, 8, 5)
    return tag("svg", shape, viewBox="0 0 16 16", class_=f"swatch {colour(position)}")


def colour(position: int) -> str:
    """The style class that colours a series."""
    return f"k{position % COLOURS}"


def feature_map(
    points: Points,
    labels: Sequence[str],
    titles: Sequence[str],
    classes: Sequence[str],
    axes: tuple[str, str],
    what: str,
    *,
    frame: Points | None = None,
    size: tuple[int, int] = (760, 460),
) -> Html:
    """Points (N, 2) coloured by class; `what` ends the sentence that describes the picture.

    `frame`: points that must all have room, for maps that are to be held against each other.
    """
    room = points if frame is None else frame
    plot = Plot.of(_padded(room[:, 0]), _padded(room[:, 1]), axes, size=size)
    groups = []
    for k, name in enumerate(classes):
        mine = [i for i, found in enumerate(labels) if found == name]
        marks = [
            mark(k, plot.x(points[i, 0]), plot.y(points[i, 1]), 3.6, tag("title", titles[i]))
            for i in mine
        ]
        groups.append(tag("g", *marks, class_=f"dots {colour(k)}", data_series=name))
    return plot.draw(
        f"Feature map of {len(points)} images in {len(classes)} classes: {what}",
        *groups,
    )


def training_curves(
    series: Mapping[str, Sequence[tuple[float, float]]],
    y_label: str,
    best: float,
    *,
    unit_range: bool,
) -> Html:
    """One line per series of (epoch, value); the last value is marked, and the epoch that was `best`."""
    every = [point for points in series.values() for point in points]
    xs, ys = [x for x, _ in every] or [best], [y for _, y in every] or [0.0]
    high = max(ys) if not unit_range else max(1.0, *ys)
    low = min(0.0, *ys) if not unit_range else max(0.0, math.floor(min(ys) * 10) / 10)
    x_range = (min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1)
    plot = Plot.of(x_range, (low, high * 1.04), ("epoch", y_label))
    drawn = [
        tag(
            "g",
            curve(plot, points, "curve"),
            mark(k, plot.x(points[-1][0]), plot.y(points[-1][1]), 4.5),
            class_=colour(k),
        )
        for k, points in enumerate(series.values())
    ]
    ends = ", ".join(f"{name} ends at {points[-1][1]:.3g}" for name, points in series.items())
    marked = min(max(best, x_range[0]), x_range[1])
    line = segment(plot, (marked, low), (marked, high * 1.04), "ideal")
    return plot.draw(f"{y_label} by epoch: {ends}", line, *drawn)


def reliability(name: str, bins: Sequence[ReliabilityBin], position: int) -> Html:
    """Share right against confidence; the area of a mark is its share of images, the diagonal is honesty."""
    plot = Plot.of((0.0, 1.0), (0.0, 1.0), ("confidence", "share right"), size=(520, 380))
    filled = [row for row in bins if row.count]
    total = sum(row.count for row in filled) or 1
    marks = [
        mark(
            position,
            plot.x(row.confidence),
            plot.y(row.accuracy),
            3 + 11 * math.sqrt(row.count / total),
            tag(
                "title",
                f"{row.count} images, confidence {score(row.confidence)}, right {score(row.accuracy)}",
            ),
            kind="soft",
        )
        for row in filled
    ]
    # Stems to the diagonal show each gap; a line through bins of few images would only zigzag.
    stems = [
        segment(plot, (row.confidence, row.confidence), (row.confidence, row.accuracy), "stem")
        for row in filled
    ]
    return plot.draw(
        f"Reliability of {name}: confidence against share right; the diagonal is ideal",
        segment(plot, (0, 0), (1, 1), "ideal"),
        tag("g", *stems, *marks, class_=colour(position)),
    )


def speed(contenders: Sequence[tuple[Evaluation, Latency, tuple[float, float]]]) -> Html:
    """Macro-F1 with its interval against median latency (log), each point named; size by bytes."""
    times = [latency.median_ms for _, latency, _ in contenders]
    lows = [low for _, _, (low, _) in contenders]
    floor = max(0.0, math.floor((min(lows) - 0.02) * 20) / 20)
    plot = Plot.of(
        (min(times) / 2.2, max(times) * 2.2),
        (floor, 1.0),
        ("median milliseconds per image (log)", "macro-F1"),
        log_x=True,
    )
    marks = [_contender(plot, k, *contender) for k, contender in enumerate(contenders)]
    words = "; ".join(
        f"{evaluation.name} {score(evaluation.macro_f1)} at {milliseconds(latency.median_ms)}"
        for evaluation, latency, _ in contenders
    )
    return plot.draw(f"Accuracy against latency: {words}", *marks)


def _contender(
    plot: Plot,
    position: int,
    evaluation: Evaluation,
    latency: Latency,
    interval: tuple[float, float],
) -> Html:
    x, y = plot.x(latency.median_ms), plot.y(evaluation.macro_f1)
    low, high = interval
    right = x > (plot.x.start + plot.x.stop) / 2
    side, anchor = (-13, "end") if right else (13, "start")
    return tag(
        "g",
        segment(plot, (latency.median_ms, low), (latency.median_ms, high), "whisker"),
        mark(position, x, y, 7),
        label(x + side, y + 24, evaluation.name, "point", anchor=anchor),
        label(x + side, y + 40, milliseconds(latency.median_ms), "tick", anchor=anchor),
        class_=colour(position),
    )


def interval_bar(value: Interval) -> Html:
    """A proportion on 0..1 with its interval, small enough for a table cell."""
    left, right = 100 * value.low, 100 * value.high
    words = f"{score(value.value)}, 95 % interval {score(value.low)} to {score(value.high)}"
    parts = join(
        [
            tag("line", x1=0, y1=7, x2=100, y2=7, class_="rail"),
            tag("line", x1=left, y1=7, x2=right, y2=7, class_="span"),
            tag("line", x1=100 * value.value, y1=2, x2=100 * value.value, y2=12, class_="needle"),
        ]
    )
    return tag(
        "svg",
        parts,
        viewBox="-2 0 104 14",
        preserveAspectRatio="none",
        class_="interval",
        role="img",
        aria_label=words,
    )


def _padded(values: Points) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin
