"""Chapter: what the student costs on the device against what the teacher would cost."""

from __future__ import annotations

from inspection.evaluation.latency import Latency
from inspection.evaluation.metrics import Evaluation
from inspection.evaluation.score_intervals import macro_f1_interval
from inspection.reporting.blocks import Section, card, columns, table
from inspection.reporting.charts import speed as speed_chart
from inspection.reporting.markup import Html, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.wording import milliseconds, parameters, score, size, times


def speed(run: RunReport) -> Section | None:
    """Time per image, parameters and bytes, next to macro-F1."""
    if not run.latencies:
        return None
    lead = (
        "One image at a time, warm, decoding left out, preprocessing and backbone included; "
        "measured in turns on one machine."
    )
    if (gain := faster(run)) is not None:
        lead = f"The student is {times(gain)} faster than the teacher. {lead}"
    drawn = [
        (evaluation, latency, macro_f1_interval(evaluation))
        for evaluation, latency in (
            (run.teacher, run.latencies.get("teacher")),
            (run.student, run.latencies.get("student")),
        )
        if evaluation is not None and latency is not None
    ]
    chart = card(speed_chart(drawn), title="Accuracy against latency") if drawn else None
    return Section("speed", "Speed and size", "Speed and size", lead, columns(chart, _table(run)))


def faster(run: RunReport) -> float | None:
    """How many times the student's median latency goes into the teacher's."""
    teacher, student = run.latencies.get("teacher"), run.latencies.get("student")
    if teacher is None or student is None or student.median_ms <= 0:
        return None
    return teacher.median_ms / student.median_ms


def _table(run: RunReport) -> Html:
    evaluations: dict[str, Evaluation | None] = {"teacher": run.teacher, "student": run.student}
    names = list(run.latencies)
    columns_ = [_column(run.latencies[name], evaluations.get(name)) for name in names]
    heads = [
        "macro-F1",
        "median",
        "95th percentile",
        "parameters",
        "size",
        "runtime",
        "threads",
        "repetitions",
    ]
    rows = [
        [tag("span", head), *(column[i] for column in columns_)] for i, head in enumerate(heads)
    ]
    body = table(
        ["", *names], rows, caption="Cost per image", numeric=frozenset(range(1, len(names) + 1))
    )
    return card(body, title="Side by side")


def _column(latency: Latency, evaluation: Evaluation | None) -> list[str]:
    return [
        score(evaluation.macro_f1) if evaluation else "–",
        milliseconds(latency.median_ms),
        milliseconds(latency.p95_ms),
        parameters(latency.parameters),
        size(latency.bytes),
        latency.runtime,
        str(latency.threads),
        f"{latency.repetitions:,}",
    ]
