"""Chapter: how the student learned, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from inspection.reporting.blocks import Section, card, columns
from inspection.reporting.charts import swatch, training_curves
from inspection.reporting.markup import Html, tag
from inspection.reporting.run_report import Epoch, RunReport, Training
from inspection.reporting.wording import count

Reading = Mapping[str, Callable[[Epoch], float]]
Series = dict[str, list[tuple[float, float]]]

LOSSES: Reading = MappingProxyType(
    {
        "train, total": lambda e: e.loss,
        "train, labels": lambda e: e.loss_labels,
        "train, teacher's answers": lambda e: e.loss_logits,
        "train, teacher's features": lambda e: e.loss_features,
        "validation": lambda e: e.validation.loss,
    }
)
SCORES: Reading = MappingProxyType(
    {
        "macro-F1": lambda e: e.validation.macro_f1,
        "accuracy": lambda e: e.validation.accuracy,
        "balanced accuracy": lambda e: e.validation.balanced_accuracy,
    }
)


def training(run: RunReport) -> Section | None:
    """Losses and validation scores by epoch, the epoch that ships marked; what went otherwise than asked for above."""
    found = run.training
    if found is None or not found.history:
        return None
    charts = [
        _chart(found, LOSSES, "Loss", "The total mixes its parts; validation counts labels alone."),
        _chart(found, SCORES, "Validation scores", "The dashed line marks the epoch that ships."),
    ]
    mishaps = [tag("p", words, class_="note") for words in found.remarks]
    lead = _lead(run, found)
    return Section(
        "training", "Training", "Training the student", lead, tag("div", *mishaps, columns(*charts))
    )


def _lead(run: RunReport, found: Training) -> str:
    student = run.recipe
    start = "from random weights" if student.weights == "none" else "from given weights, warm"
    words = (
        f"{student.architecture} learned for {count(len(found.history), 'epoch')} {start}; "
        f"epoch {found.best_epoch} did best on validation images and ships."
    )
    if found.resumed_from is not None:
        words += f" The run was interrupted and went on from step {found.resumed_from}."
    return words


def _chart(found: Training, reading: Reading, title: str, note: str) -> Html:
    series = _series(found.history, reading)
    keys = [tag("span", swatch(k), name, class_="key") for k, name in enumerate(series)]
    unit = reading is SCORES
    chart = training_curves(series, title.lower(), found.best_epoch, unit_range=unit)
    return card(chart, tag("p", *keys, class_="legend"), title=title, note=note)


def _series(history: Sequence[Epoch], reading: Reading) -> Series:
    """What never leaves zero was switched off; what is not a number leaves a gap."""
    every = {
        name: [(float(e.epoch), value) for e in history if (value := float(read(e))) == value]
        for name, read in reading.items()
    }
    return {name: points for name, points in every.items() if any(y != 0 for _, y in points)}
