"""Chapter: how good teacher and student are on the frozen test set, class by class."""

from __future__ import annotations

from collections.abc import Sequence

from inspection.evaluation.metrics import ClassScore, Evaluation
from inspection.evaluation.score_intervals import macro_f1_interval
from inspection.reporting.blocks import Section, card, columns, table
from inspection.reporting.charts import interval_bar, reliability
from inspection.reporting.confusion import confusion
from inspection.reporting.figures import retention
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.wording import Interval, between, count, percent, score, short


def quality(run: RunReport) -> Section | None:
    """Side by side: figures, confusion, classes, calibration."""
    models = [model for model in (run.teacher, run.student) if model is not None]
    if not models:
        return None
    last = models[-1]
    lead = (
        f"{count(last.count, 'image')} of the frozen test set {short(last.test_digest)}. "
        "Intervals hold with 95 % confidence."
    )
    if run.teacher and run.student:
        kept = percent(retention(run.student, run.teacher))
        lead += f" The student keeps {kept} of the teacher's macro-F1."
    body = join(
        [
            _side_by_side(models),
            columns(*(confusion(m.name, m.classes, m.confusion) for m in models)),
            *(_classes(model) for model in reversed(models)),
            _calibration(models),
        ]
    )
    return Section("quality", "Quality", "Quality on the test set", lead, body)


def _side_by_side(models: Sequence[Evaluation]) -> Html:
    rows = [
        [
            tag("strong", model.name),
            with_interval(score(model.macro_f1), between(*macro_f1_interval(model))),
            with_interval(score(model.accuracy.value), _interval(model.accuracy)),
            score(model.balanced_accuracy),
            f"{len(model.wrong):,} of {model.count:,}",
            f"{model.ece:.3f}",
            f"{model.nll:.3f}",
        ]
        for model in models
    ]
    head = ["model", "macro-F1", "accuracy", "balanced acc.", "wrong", "ECE", "NLL"]
    return card(table(head, rows, caption="Models side by side", numeric=frozenset(range(1, 7))))


def with_interval(value: str, interval: str) -> Html:
    """A figure and, smaller, where it may truly lie."""
    return join([value, " ", tag("small", interval)])


def _interval(value: Interval) -> str:
    return between(value.low, value.high)


def _classes(model: Evaluation) -> Html:
    rows = [_class_row(row) for row in model.per_class]
    head = ["class", "test images", "recall", "", "precision", "", "F1"]
    body = table(
        head,
        rows,
        caption=f"{model.name}, class by class, with 95 % intervals",
        numeric=frozenset({1, 2, 4, 6}),
    )
    return card(body, title=f"Class by class: {model.name}")


def _class_row(row: ClassScore) -> list[Html | str]:
    def figure(value: Interval, seen: int) -> tuple[Html | str, Html | str]:
        if not seen:
            return "–", tag("span", "nothing to count", class_="note")
        return with_interval(score(value.value), _interval(value)), interval_bar(value)

    return [
        row.label,
        f"{row.support:,}",
        *figure(row.recall, row.support),
        *figure(row.precision, row.predicted),
        score(row.f1) if row.support or row.predicted else "–",
    ]


def _calibration(models: Sequence[Evaluation]) -> Html:
    note = "Below the diagonal it is too sure of itself, above it too modest; larger marks, more images."
    cards = [
        card(
            reliability(model.name, model.calibration, k),
            title=f"Reliability: {model.name}",
            note=f"Expected calibration error {model.ece:.3f}. {note}",
        )
        for k, model in enumerate(models)
    ]
    return columns(*cards)
