"""Pictures of a comparison: accuracy against latency with intervals, and how each recipe learned."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from inspection.evaluation.compared import Comparison, RecipeFigures
from inspection.reporting.charts import colour, swatch
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.svg import Plot, curve, label, mark, segment
from inspection.reporting.wording import milliseconds, percent

Curve = Sequence[tuple[float, float]]
SIZE = (760, 430)
LETTER, LINE = 7.6, 15.0
"""Pixels: a letter's usual width and a line's height in a picture."""
Box = tuple[float, float, float, float]


def pareto(found: Comparison) -> Html:
    """Accuracy with its interval against latency (log); `key_of_pareto` says what the fillings mean."""
    shown = found.recipes
    times = [one.cost.latency_ms for one in shown]
    floor = max(0.0, math.floor((min(one.accuracy.low for one in shown) - 0.01) * 50) / 50)
    plot = Plot.of(
        (min(times) / 2, max(times) * 2),
        (floor, 1.0),
        ("median milliseconds per image, end to end (log)", "accuracy"),
        size=SIZE,
        log_x=True,
    )
    taken = [_around(plot, one) for one in shown]
    points = []
    for k, one in enumerate(shown):
        words, box = _placed(plot, one, taken)
        taken.append(box)
        points.append(_point(plot, found, k, words))
    alt = "; ".join(
        f"{one.name} {percent(one.accuracy.value)} at {milliseconds(one.cost.latency_ms)}"
        for one in shown
    )
    hatches = tag("defs", *(_hatch(k) for k in range(len(shown))))
    return plot.draw(f"Accuracy against latency: {alt}", hatches, _front(plot, found), *points)


def key_of_pareto() -> Html:
    """What the fillings mean; the patterns are those of the picture."""
    signs = (
        ("", "the best, or on the front"),
        ("hatched", "ties with the best"),
        ("hollow", "worse"),
    )
    shown = [
        tag("span", tag("span", class_=f"sample {kind}".strip()), words, class_="key")
        for kind, words in signs
    ]
    line = tag("span", "Bars: 95 % intervals. Dashed: the front.", class_="key")
    return tag("p", *shown, line, class_="legend")


def learning(curves: Mapping[str, Sequence[Curve]], y_label: str) -> Html:
    """Validation by epoch, a line per seed, a colour per recipe in the order of `curves`."""
    every = [point for lines in curves.values() for line in lines for point in line]
    xs, ys = [x for x, _ in every], [y for _, y in every]
    high = max(xs) if max(xs) > min(xs) else min(xs) + 1
    low = max(0.0, math.floor(min(ys) * 10) / 10)
    plot = Plot.of((min(xs), high), (low, max(1.0, *ys)), ("epoch", y_label), size=SIZE)
    drawn = [
        tag(
            "g",
            *(curve(plot, line, "curve") for line in lines),
            *(mark(k, plot.x(line[-1][0]), plot.y(line[-1][1]), 4) for line in lines),
            class_=colour(k),
        )
        for k, lines in enumerate(curves.values())
    ]
    ends = ", ".join(
        f"{name} ends at {sum(line[-1][1] for line in lines) / len(lines):.3f}"
        for name, lines in curves.items()
        if lines
    )
    return plot.draw(f"{y_label} by epoch: {ends}", *drawn)


def legend(names: Sequence[str]) -> Html:
    """Colour and shape of each recipe."""
    keys = [tag("span", swatch(k), name, class_="key") for k, name in enumerate(names)]
    return tag("p", *keys, class_="legend")


def _point(plot: Plot, found: Comparison, k: int, words: Html) -> Html:
    one = found.recipes[k]
    ms, accuracy = one.cost.latency_ms, one.accuracy
    ring = mark(k, plot.x(ms), plot.y(accuracy.value), 7, tag("title", _told(one)))
    style = _filling(found, one, k)
    body = tag("g", ring, style=style) if style else ring
    return tag(
        "g",
        segment(plot, (ms, accuracy.low), (ms, accuracy.high), "whisker"),
        tag("g", body, class_="outlined" if style else None),
        words,
        class_=f"{colour(k)} contender",
    )


def _filling(found: Comparison, one: RecipeFigures, k: int) -> str | None:
    if one.name in (*found.front, found.best):
        return None
    if found.pair(one.name, found.best).verdict == "tie":
        return f"--fill:url(#hatch{k})"
    return "--fill:var(--card)"


def _hatch(k: int) -> Html:
    """Stripes in the colour of series `k`, for marks that tie."""
    stripe = tag("rect", width=2.2, height=5, class_="stripe")
    return tag(
        "pattern",
        tag("rect", width=5, height=5, class_="ground"),
        stripe,
        id=f"hatch{k}",
        width=5,
        height=5,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
        class_=colour(k),
    )


def _front(plot: Plot, found: Comparison) -> Html:
    points = [(one.cost.latency_ms, one.accuracy.value) for one in map(found.figures, found.front)]
    return tag("g", *(segment(plot, a, b, "ideal") for a, b in itertools.pairwise(points)))


def _told(one: RecipeFigures) -> str:
    return f"{one.name}: {percent(one.accuracy.value)}, {milliseconds(one.cost.latency_ms)}"


def _around(plot: Plot, one: RecipeFigures) -> Box:
    """What a point and its bar cover: no words may stand there."""
    x, accuracy = plot.x(one.cost.latency_ms), one.accuracy
    middle = plot.y(accuracy.value)
    return (
        x - 9,
        min(middle - 9, plot.y(accuracy.high)),
        x + 9,
        max(middle + 9, plot.y(accuracy.low)),
    )


def _placed(plot: Plot, one: RecipeFigures, taken: Sequence[Box]) -> tuple[Html, Box]:
    """The name beside its point, at the first free place among some near it."""
    x, y = plot.x(one.cost.latency_ms), plot.y(one.accuracy.value)
    width = LETTER * max(len(one.name), 7)
    tries = [
        (side, y + shift * 0.75 * LINE)
        for shift in (0, 2, -2, 4, -4, 6, -6, 8, -8, 10, -10)
        for side in ("start", "end")
    ]
    boxes = [_box(x, top, width, side) for side, top in tries]
    free = [i for i, box in enumerate(boxes) if _inside(plot, box) and not _hits(box, taken)]
    near = free[0] if free else 0
    side, middle = tries[near]
    at = x + (13 if side == "start" else -13)
    words = join(
        [
            label(at, middle - 1, one.name, "point", anchor=side),
            label(at, middle + 13, milliseconds(one.cost.latency_ms), "tick", anchor=side),
        ]
    )
    return words, boxes[near]


def _box(x: float, middle: float, width: float, side: str) -> Box:
    start = x + 13 if side == "start" else x - 13 - width
    return (start, middle - LINE + 1, start + width, middle + LINE + 1)


def _inside(plot: Plot, box: Box) -> bool:
    return (
        box[0] >= plot.x.start
        and box[2] <= plot.width
        and box[1] >= plot.y.stop - LINE
        and box[3] <= plot.y.start
    )


def _hits(box: Box, taken: Sequence[Box]) -> bool:
    return any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
        for other in taken
    )
