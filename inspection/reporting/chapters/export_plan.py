"""Chapters of an export: every precision with its fate and its sentence, and how fast each runs beside FP32."""

from __future__ import annotations

import math

from inspection.reporting.blocks import Section, badge, card, table
from inspection.reporting.charts import COLOURS
from inspection.reporting.export_run import ExportPlan, PlannedPrecision, TimedWay
from inspection.reporting.markup import Child, Html, join, tag
from inspection.reporting.svg import Plot, label, mark, segment
from inspection.reporting.wording import count, milliseconds, small

LOOKS = {"chosen": "good", "kept": "idle", "pending": "idle", "refused": "bad"}
ROW = 46
"""Pixels of one line of the chart."""
LEAST_SPAN = 1.4


def candidates(plan: ExportPlan) -> Section:
    """What became of each precision, and why."""
    told = [_candidate(one) for one in plan.precisions]
    rows = [
        [name, one.variant, str(one.threads) if one.threads else "the engine's own"]
        for name, one in plan.plans.items()
    ]
    ways = table(["runtime", "precision", "threads"], rows, caption="How each runtime runs it")
    lead = f"{count(len(told), 'precision')} made from the FP32 graph, judged on validation images, timed here."
    body = join([card(*told), card(ways, title="How each runtime is to run it")])
    return Section("candidates", "Precisions", "Precisions and their fates", lead, body)


def _candidate(one: PlannedPrecision) -> Html:
    """The sentence begins with the precision and its fate, which stand before it as name and badge."""
    _, _, why = one.sentence.partition(": ")
    fate = badge(one.fate, LOOKS.get(one.fate, "idle"))
    allowed = f"Golden images may be off by {small(one.golden_tolerance)} when a device starts."
    return tag(
        "div",
        tag("h3", one.name, " ", fate),
        tag("p", why or one.sentence),
        tag("p", allowed, class_="note") if one.fate != "refused" else None,
        class_="fate",
    )


def speed(plan: ExportPlan) -> Section | None:
    """Each precision on each runtime of this machine, held against FP32 on ONNX Runtime."""
    if not plan.timed:
        return None
    body = table(
        ["runtime and precision", "median", "95 %", "× FP32", "interval", "best way"],
        [_timed(one) for one in plan.timed],
        caption="Time per image at batch 1",
        numeric=frozenset({1, 2, 3, 4}),
    )
    machine = ", ".join(f"{key} {value}" for key, value in plan.machine.items())
    rounds = min(one.rounds for one in plan.timed)
    note = (
        f"In turns, {rounds} rounds, each begun by another; ratios are medians of rounds with their exact 95 % "
        f"interval. Measured on: {machine}. Another machine measures for itself."
    )
    lead = "How many times as fast as FP32 on ONNX Runtime; the runtime alone, without decoding and resizing."
    parts = join([card(_chart(plan), kind="plot"), card(body, note=note)])
    return Section("speed", "Speed", "Speed beside FP32", lead, parts)


def _timed(one: TimedWay) -> list[Child]:
    base = (one.engine, one.variant) == ("onnxruntime", "fp32")
    return [
        f"{one.engine} {one.variant}",
        milliseconds(one.median_ms),
        milliseconds(one.p95_ms),
        "1" if base else f"{one.times_fp32:.2f}",
        "–" if base else f"{one.low:.2f} – {one.high:.2f}",
        one.way,
    ]


def _chart(plan: ExportPlan) -> Html:
    """A line each: the ratio with its interval, on a scale where half and twice as fast are equally far from 1."""
    timed = plan.timed
    low = min(1 / LEAST_SPAN, *(one.low for one in timed)) / 1.1
    high = max(LEAST_SPAN, *(one.high for one in timed)) * 1.1
    height = ROW * len(timed) + 74
    plot = Plot.of(
        (low, high), (0.0, 1.0), ("× the speed of FP32 on ONNX Runtime (log)", ""),
        size=(430, height), log_x=True,
    )  # fmt: skip
    words = "; ".join(f"{one.engine} {one.variant} {one.times_fp32:.2f}" for one in timed)
    return _frame(
        plot, f"Speed beside FP32: {words}", [_line(plot, k, one) for k, one in enumerate(timed)]
    )


def _line(plot: Plot, k: int, one: TimedWay) -> Html:
    """Named above its mark, at the edge: nothing is cut off and nothing crosses."""
    y = 40 + ROW * k
    ends = tag("line", x1=plot.x(one.low), x2=plot.x(one.high), y1=y, y2=y, class_="whisker")
    name = label(4, y - 14, f"{one.engine} {one.variant}", "tick", anchor="start")
    return tag("g", ends, mark(k, plot.x(one.times_fp32), y, 6), name, class_=f"k{k % COLOURS}")


def _frame(plot: Plot, alt: str, lines: list[Html]) -> Html:
    """The vertical axis has names, no numbers."""
    bottom = plot.y.start
    ticks = [tick for tick in plot.x.ticks() if math.isfinite(tick)]
    grid = [tag("line", x1=plot.x(t), x2=plot.x(t), y1=14, y2=bottom, class_="grid") for t in ticks]
    names = [label(plot.x(t), bottom + 17, f"{t:g}", anchor="middle") for t in ticks]
    middle = (plot.x.start + plot.x.stop) / 2
    axis = label(middle, plot.height - 6, plot.x_label, "name", anchor="middle")
    return tag(
        "svg", tag("title", alt), *grid, segment(plot, (1, 0), (1, 1), "ideal"), *names, axis, *lines,
        viewBox=f"0 0 {plot.width} {plot.height}", class_="chart", role="img", aria_label=alt,
    )  # fmt: skip
