"""May this model follow the champion? Pure: two evaluations, evidence and a config in, a verdict with reasons out.

Absolute floors and limits hold for any model. Against a champion one way has to lead through as well
(`inspection/evaluation/gate_ways.py`), each a statement about parts not yet seen, wrong at most 1 time in 20.

Covered: chance in the gate set. Not covered: a gate set used so often that models are chosen by it; its error rates
then are those of the luckiest of many (`docs/decisions/0010-promotion-is-shown.md`).
"""

from __future__ import annotations

from dataclasses import dataclass

from inspection.config import GateConfig
from inspection.evaluation.economics import Economics, economics
from inspection.evaluation.gate_evidence import Evidence
from inspection.evaluation.gate_rows import (
    METRICS,
    GateRow,
    calibration_row,
    certificate_row,
    corruption_rows,
    cost_rows,
    economics_row,
    floor_rows,
    overlap_rows,
    promise_row,
)
from inspection.evaluation.gate_ways import Past, p_words, past_champion, points, turned
from inspection.evaluation.head_to_head import ClassChange, HeadToHead, compare
from inspection.evaluation.metrics import Evaluation
from inspection.records import Record


@dataclass(frozen=True)
class GateVerdict(Record):
    """The gate's answer: `reasons` is empty when it passed, `sentence` always says it in one line.

    `way`: what led past the champion (accuracy, cheaper, conversion, same, or floors where none was asked); empty when
    refused. `notes`: what the gate could not look at.
    """

    passed: bool
    challenger: str
    champion: str | None
    test_digest: str
    reasons: tuple[str, ...]
    table: tuple[GateRow, ...]
    duel: HeadToHead | None
    way: str
    sentence: str
    notes: tuple[str, ...] = ()
    economics: Economics | None = None
    champion_economics: Economics | None = None

    @property
    def class_changes(self) -> tuple[ClassChange, ...]:
        """Each class under both models; empty where there was nothing to compare with."""
        return self.duel.classes if self.duel else ()


def gate(
    challenger: Evaluation,
    champion: Evaluation | None,
    config: GateConfig,
    evidence: Evidence | None = None,
    *,
    seed: int = 0,
) -> GateVerdict:
    """Every row holds, and one way leads past the champion, if there is one.

    Evaluations of different test sets are never compared: that alone refuses, and says so. `seed` draws the swaps
    behind the row of calibration.
    """
    told = evidence or Evidence()
    foreign = _not_comparable(challenger, champion)
    rival = None if foreign else champion
    asked = rival if config.ways and not told.same_bundle else None
    duel = compare(challenger, rival, told.groups, config) if rival else None
    past = past_champion(duel, challenger, asked, config, told)
    costs = _economics(challenger, rival, told)
    table = _table(challenger, rival, asked, config, told, costs, seed)
    reasons = [*(row.reason for row in table if row.reason), *past.reasons]
    if foreign:
        reasons.append(foreign)
    notes = _notes(champion, evidence, costs[0])
    return GateVerdict(
        passed=not reasons,
        challenger=challenger.name,
        champion=champion.name if champion else None,
        test_digest=challenger.test_digest,
        reasons=tuple(reasons),
        table=table,
        duel=duel,
        way="" if reasons else past.way,
        sentence=_sentence(challenger, champion, duel, past, reasons, notes, config, told),
        notes=notes,
        economics=costs[0],
        champion_economics=costs[1],
    )


def _not_comparable(challenger: Evaluation, champion: Evaluation | None) -> str:
    if champion is None:
        return ""
    if champion.test_digest != challenger.test_digest:
        return (
            f"cannot be compared: '{challenger.name}' was measured on test set "
            f"{challenger.test_digest[:12]}, '{champion.name}' on {champion.test_digest[:12]}; "
            "evaluate the champion on the current frozen test set"
        )
    if set(champion.image_ids) != set(challenger.image_ids):
        return (
            f"cannot be compared: '{challenger.name}' and '{champion.name}' claim test set "
            f"{challenger.test_digest[:12]} but answered for different images; evaluate both again"
        )
    return ""


def _economics(
    challenger: Evaluation, rival: Evaluation | None, told: Evidence
) -> tuple[Economics | None, Economics | None]:
    ours = economics(challenger, told.rule, told.economics) if told.rule else None
    theirs = None
    if rival is not None and told.champion_rule is not None:
        theirs = economics(rival, told.champion_rule, told.economics)
    return ours, theirs


def _table(
    challenger: Evaluation,
    rival: Evaluation | None,
    asked: Evaluation | None,
    config: GateConfig,
    told: Evidence,
    costs: tuple[Economics | None, Economics | None],
    seed: int,
) -> tuple[GateRow, ...]:
    compared = asked is not None
    rows = [
        *floor_rows(challenger, rival, config),
        calibration_row(challenger, asked, told.groups, config, seed=seed),
        *cost_rows(told, config, compared=compared),
        *corruption_rows(told, config, compared=compared),
        economics_row(*costs),
        promise_row(told, costs[0]),
        certificate_row(told),
        *overlap_rows(told, challenger.count, compared=compared),
    ]
    return tuple(row for row in rows if row is not None)


def _notes(
    champion: Evaluation | None, evidence: Evidence | None, found: Economics | None
) -> tuple[str, ...]:
    notes = []
    told = evidence if champion is not None else None
    if told is not None and not told.same_bundle and told.seen_by_champion is None:
        notes.append(
            "no record says what the champion was trained on: if it has seen gate images, they favour it"
        )
    if found is not None and found.holds and not found.shown:
        notes.append(found.sentence)
    return tuple(notes)


def _sentence(
    challenger: Evaluation,
    champion: Evaluation | None,
    duel: HeadToHead | None,
    past: Past,
    reasons: list[str],
    notes: tuple[str, ...],
    config: GateConfig,
    told: Evidence,
) -> str:
    figure = f"macro-F1 {challenger.macro_f1:.4f} on {challenger.count} test images"
    noted = "".join(f"; {note}" for note in notes)
    if reasons:
        sides = f"; {turned(duel)}" if duel and not past.reasons else ""
        return f"'{challenger.name}' refused: {'; '.join(reasons)}{sides}{noted}."
    held = _held(config)
    if champion is None:
        return f"'{challenger.name}' passed: {held} ({figure}); there is no champion yet{noted}."
    why = {
        "same": f"it is '{champion.name}' itself",
        "floors": f"'{champion.name}' was not asked about (gate.ways is empty)",
        "accuracy": f"it is right more often than '{champion.name}'",
        "cheaper": f"it is cheaper than '{champion.name}' and not worse",
        "conversion": f"it is the student of '{champion.name}' in another export",
    }[past.way]
    return f"'{challenger.name}' passed: {held} and {why} ({figure}){_shown(duel, past.way, told)}{noted}."


def _shown(duel: HeadToHead | None, way: str, told: Evidence) -> str:
    if duel is None or way == "same":
        return ""
    text = f"; {turned(duel)}"
    if way == "accuracy":
        text += f", one-sided exact p = {p_words(duel.p_better)}"
    if way == "cheaper" and told.cost and told.champion_cost:
        text += (
            f", less than {points(duel.margin)} lost (exact p = {p_words(duel.p_margin)}), "
            f"{told.champion_cost.latency_ms / told.cost.latency_ms:.2f} × as fast, "
            f"{told.champion_cost.bytes / told.cost.bytes:.2f} × as small"
        )
    if way in ("accuracy", "cheaper"):
        text += ", every class within its margin"
    return text


def _held(config: GateConfig) -> str:
    """A gate without floors lets anything pass: it must not sound like one that measured."""
    asked = any(getattr(config, f"min_{metric}") > 0 for metric in METRICS)
    return "every floor holds" if asked else "no floor was asked of it"
