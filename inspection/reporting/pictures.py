"""The run's main pictures as PNG files, for places that show images but no pages (MLflow)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.edge.files import written_aside
from inspection.evaluation.metrics import Evaluation
from inspection.reporting.run_report import Epoch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_pictures(
    evaluations: Sequence[Evaluation], history: Sequence[Epoch], folder: Path
) -> tuple[Path, ...]:
    """A confusion matrix per evaluation, and the student's validation curve (macro-F1 per epoch)."""
    drawn = {f"confusion_{_slug(e.name)}.png": _confusion(e) for e in evaluations}
    drawn["student_validation.png"] = _curve([epoch.validation.macro_f1 for epoch in history])
    paths = []
    for name, figure in drawn.items():
        with written_aside(folder / name) as aside:
            figure.savefig(aside, dpi=110)
        paths.append(folder / name)
    return tuple(paths)


def _slug(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_") or "model"


def _confusion(evaluation: Evaluation) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(evaluation.confusion, cmap="Blues")
    places = range(len(evaluation.classes))
    # A class may be called `a$^$b`: names are text, not formulas.
    axes.set_xticks(places, evaluation.classes, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(places, evaluation.classes, parse_math=False)
    largest = max(max(row) for row in evaluation.confusion)
    for i, row in enumerate(evaluation.confusion):
        for j, count in enumerate(row):
            ink = "white" if count > largest / 2 else "black"
            axes.text(j, i, str(count), ha="center", va="center", color=ink)
    axes.set_xlabel("called")
    axes.set_ylabel("is")
    axes.set_title(f"{evaluation.name}: macro-F1 {evaluation.macro_f1:.3f}", parse_math=False)
    return figure


def _curve(validation_f1: Sequence[float]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(range(1, len(validation_f1) + 1), validation_f1, marker=".")
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation macro-F1")
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.3)
    return figure
