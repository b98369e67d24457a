"""May this model follow the champion? Pure: two evaluations and a config in, a verdict with its reasons out.

Covered: absolute floors, and no loss on the same frozen test set. Not covered: whether a small loss is more than
chance; the verdict says how many images changed sides, so that people can judge.
"""

from __future__ import annotations

from dataclasses import dataclass

from inspection.config import GateConfig
from inspection.evaluation.metrics import ClassScore, Evaluation
from inspection.records import Record

METRICS = ("accuracy", "macro_f1", "balanced_accuracy")
TOLERANCE = 1e-9
"""Rounding, not a loss: the same decisions summed in another order."""
NAMED_CLASSES = 5
"""A refusal names the classes that matter most, not all of them."""


@dataclass(frozen=True)
class GateRow:
    """One metric: what was asked, what was there; `None` where nothing was asked or compared."""

    metric: str
    challenger: float
    floor: float
    champion: float | None
    difference: float | None
    passed: bool


@dataclass(frozen=True)
class ClassChange:
    """One class of the test set under both models, in images recognised (`hits`) of `support`."""

    label: str
    support: int
    challenger_hits: int
    champion_hits: int

    @property
    def change(self) -> int:
        """Images gained; negative when the challenger recognises fewer."""
        return self.challenger_hits - self.champion_hits


@dataclass(frozen=True)
class GateVerdict(Record):
    """The gate's answer: `reasons` is empty when it passed, `sentence` always says it in one line."""

    passed: bool
    challenger: str
    champion: str | None
    test_digest: str
    reasons: tuple[str, ...]
    table: tuple[GateRow, ...]
    class_changes: tuple[ClassChange, ...]
    sentence: str


def gate(challenger: Evaluation, champion: Evaluation | None, config: GateConfig) -> GateVerdict:
    """Every floor holds, and no metric fell by more than `max_loss_to_champion`.

    Evaluations of different test sets are never compared: that alone refuses, and says so.
    """
    foreign = _not_comparable(challenger, champion)
    rival = None if foreign else champion
    table = tuple(_row(metric, challenger, rival, config) for metric in METRICS)
    changes = _class_changes(challenger, rival) if rival else ()
    reasons = [*_below_floor(table, challenger), *_below_champion(table, changes, config)]
    if foreign:
        reasons.append(foreign)
    return GateVerdict(
        passed=not reasons,
        challenger=challenger.name,
        champion=champion.name if champion else None,
        test_digest=challenger.test_digest,
        reasons=tuple(reasons),
        table=table,
        class_changes=changes,
        sentence=_sentence(challenger, champion, reasons, rival, _held(table)),
    )


def value_of(evaluation: Evaluation, metric: str) -> float:
    """The plain figure behind a name of `METRICS`."""
    return evaluation.accuracy.value if metric == "accuracy" else getattr(evaluation, metric)


def _not_comparable(challenger: Evaluation, champion: Evaluation | None) -> str:
    if champion is None:
        return ""
    if champion.test_digest != challenger.test_digest:
        return (
            f"cannot be compared: '{challenger.name}' was measured on test set "
            f"{challenger.test_digest[:12]}, '{champion.name}' on {champion.test_digest[:12]}; "
            "evaluate the champion on the current frozen test set"
        )
    if _answers(champion).keys() != _answers(challenger).keys():
        return (
            f"cannot be compared: '{challenger.name}' and '{champion.name}' claim test set "
            f"{challenger.test_digest[:12]} but answered for different images; evaluate both again"
        )
    return ""


def _answers(evaluation: Evaluation) -> dict[str, str]:
    return dict(zip(evaluation.image_ids, evaluation.predictions, strict=True))


def _row(
    metric: str, challenger: Evaluation, champion: Evaluation | None, config: GateConfig
) -> GateRow:
    value = value_of(challenger, metric)
    floor = float(getattr(config, f"min_{metric}"))
    rival = value_of(champion, metric) if champion else None
    difference = value - rival if rival is not None else None
    kept = difference is None or difference >= -config.max_loss_to_champion - TOLERANCE
    return GateRow(metric, value, floor, rival, difference, value >= floor - TOLERANCE and kept)


def _below_floor(table: tuple[GateRow, ...], challenger: Evaluation) -> list[str]:
    short = [row for row in table if row.challenger < row.floor - TOLERANCE]
    reasons = [
        f"{row.metric} {row.challenger:.4f} is {row.floor - row.challenger:.4f} below its floor "
        f"{row.floor:.4f}"
        for row in short
    ]
    if reasons:
        reasons[-1] += f"; weakest classes: {_weakest(challenger)}"
    return reasons


def _weakest(evaluation: Evaluation) -> str:
    def recall(score: ClassScore) -> float:
        return score.recall.value

    present = sorted((s for s in evaluation.per_class if s.support), key=recall)
    below_perfect = [s for s in present if s.recall.hits < s.support][:NAMED_CLASSES]
    return ", ".join(f"{s.label} {s.recall.hits} of {s.support}" for s in below_perfect)


def _below_champion(
    table: tuple[GateRow, ...], changes: tuple[ClassChange, ...], config: GateConfig
) -> list[str]:
    limit = config.max_loss_to_champion
    reasons = [
        f"{row.metric} {row.challenger:.4f} is {-row.difference:.4f} below the champion's "
        f"{row.champion:.4f} (allowed loss {limit:.4f})"
        for row in table
        if row.difference is not None and row.difference < -limit - TOLERANCE
    ]
    lost = sorted((c for c in changes if c.change < 0), key=lambda c: c.change)[:NAMED_CLASSES]
    if reasons and lost:
        named = (f"{c.label} {c.change:+d} of {c.support}" for c in lost)
        reasons[-1] += f"; images lost: {', '.join(named)}"
    return reasons


def _class_changes(challenger: Evaluation, champion: Evaluation) -> tuple[ClassChange, ...]:
    before = {score.label: score.recall.hits for score in champion.per_class}
    return tuple(
        ClassChange(s.label, s.support, s.recall.hits, before.get(s.label, 0))
        for s in challenger.per_class
        if s.support
    )


def _sentence(
    challenger: Evaluation,
    champion: Evaluation | None,
    reasons: list[str],
    rival: Evaluation | None,
    held: str,
) -> str:
    figure = f"macro-F1 {challenger.macro_f1:.4f} on {challenger.count} test images"
    if reasons:
        return f"'{challenger.name}' refused: {'; '.join(reasons)}{_turned(challenger, rival)}."
    if champion is None:
        return f"'{challenger.name}' passed: {held} ({figure}); there is no champion yet."
    return (
        f"'{challenger.name}' passed: {held} and it is not worse than "
        f"'{champion.name}' ({figure}){_turned(challenger, rival)}."
    )


def _held(table: tuple[GateRow, ...]) -> str:
    """A gate without floors lets anything pass: it must not sound like one that measured."""
    asked = any(row.floor > 0 for row in table)
    return "every floor holds" if asked else "no floor was asked of it"


def _turned(challenger: Evaluation, rival: Evaluation | None) -> str:
    """How many images changed sides: what a paired test would be made from."""
    if rival is None:
        return ""
    truth = dict(zip(challenger.image_ids, challenger.labels, strict=True))
    ours, theirs = _answers(challenger), _answers(rival)
    gained = sum(ours[i] == truth[i] != theirs[i] for i in truth)
    lost = sum(theirs[i] == truth[i] != ours[i] for i in truth)
    return f"; {gained} images newly right, {lost} newly wrong"
