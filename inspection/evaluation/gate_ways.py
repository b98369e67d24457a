"""The ways past a champion: which of them leads through, or one sentence for each reason why none does.

* *accuracy*: shown to be right more often (one-sided exact McNemar), every class shown to lose less than its margin;
* *cheaper*: shown to lose less than `margin` in all and less than its margin in every class, and faster or smaller by
  a stated factor;
* *conversion*: the champion's own student in another export, whose certificate has counted its decisions: what it lost
  is what it loses.

The parts of a way must be shown together, so each is tested at the full level and the way errs no more often than that.
Where the first two may both be tried, either may err.
"""

from __future__ import annotations

from dataclasses import dataclass

from inspection.config import GateConfig
from inspection.evaluation.gate_evidence import Evidence
from inspection.evaluation.gate_rows import METRICS, TOLERANCE, value_of
from inspection.evaluation.head_to_head import ClassChange, HeadToHead
from inspection.evaluation.metrics import Evaluation
from inspection.evaluation.noninferiority import LEVEL, fewest_units


@dataclass(frozen=True)
class Past:
    """Which way led past the champion, or why none did."""

    way: str
    reasons: tuple[str, ...] = ()


def past_champion(
    duel: HeadToHead | None,
    challenger: Evaluation,
    asked: Evaluation | None,
    config: GateConfig,
    evidence: Evidence,
) -> Past:
    """The first way that leads past the champion `asked` about, None where nobody is; else every reason against."""
    if duel is None or asked is None:
        return Past("same" if evidence.same_bundle else "floors")
    faults: dict[str, list[str]] = {}
    if evidence.same_student:
        faults["conversion"] = _conversion(challenger, asked, config)
        if not faults["conversion"]:
            return Past("conversion")
    if "accuracy" in config.ways:
        faults["accuracy"] = _accuracy(duel, asked)
    if "cheaper" in config.ways:
        faults["cheaper"] = _cheaper(duel, config, evidence)
    classes = tuple(_class_fault(change) for change in duel.classes if not change.kept)
    # A way that is open but for its classes is the one to speak of.
    way = next((name for name, found in faults.items() if not found), "")
    if way:
        return Past(way, classes)
    ways = tuple(reason for found in faults.values() for reason in found)
    return Past("", (*ways, *classes))


def _accuracy(duel: HeadToHead, champion: Evaluation) -> list[str]:
    if duel.better:
        return []
    return [
        f"not shown to be right more often than '{champion.name}': {turned(duel)} "
        f"(one-sided exact p = {p_words(duel.p_better)}, at most {LEVEL:g} is asked)"
    ]


def _cheaper(duel: HeadToHead, config: GateConfig, evidence: Evidence) -> list[str]:
    ours, theirs = evidence.cost, evidence.champion_cost
    if ours is None or theirs is None:
        return ["not shown to be cheaper: nobody has timed both models side by side"]
    faster, smaller = theirs.latency_ms / ours.latency_ms, theirs.bytes / ours.bytes
    if faster < config.min_speedup and smaller < config.min_shrink:
        return [
            f"not cheaper: {faster:.2f} × as fast (asked {config.min_speedup:g} ×) and "
            f"{smaller:.2f} × as small (asked {config.min_shrink:g} ×)"
        ]
    if duel.not_worse:
        return []
    return [
        f"cheaper, but not shown to lose less than {points(duel.margin)} in all: {turned(duel)} "
        f"(exact p = {p_words(duel.p_margin)}{_more(duel.missing)})"
    ]


def _conversion(challenger: Evaluation, champion: Evaluation, config: GateConfig) -> list[str]:
    limit = config.max_conversion_loss
    drops = {name: value_of(champion, name) - value_of(challenger, name) for name in METRICS}
    return [
        f"as an export of the champion's own student its {name} fell by {drop:.4f} (allowed {limit:.4f})"
        for name, drop in drops.items()
        if drop > limit + TOLERANCE
    ]


def _class_fault(change: ClassChange) -> str:
    least, tally = fewest_units(change.margin), change.tally
    what = "images" if tally.units == change.support else "independent images"
    margin = f"its margin of {points(change.margin)}"
    if change.too_small:
        return (
            f"class '{change.label}' has {tally.units} of the {least} {what} that {margin} needs: "
            f"{least - tally.units} are missing (or widen gate.class_margins)"
        )
    lost = f"class '{change.label}' lost {tally.lost} and gained {tally.gained} of {tally.units} {what}"
    if change.missing is None:
        return f"{lost}, not within {margin} (p = {p_words(change.p_value)})"
    return (
        f"{lost}, which does not show that it stays within {margin} "
        f"(p = {p_words(change.p_value)}{_more(change.missing)})"
    )


def turned(duel: HeadToHead) -> str:
    """How many images changed sides: what the paired tests are made from."""
    return f"{_images(duel.gained)} newly right, {duel.lost} newly wrong of {duel.images}"


def _images(number: int) -> str:
    return f"{number} image{'' if number == 1 else 's'}"


def _more(missing: int | None) -> str:
    return f"; about {missing} more images are missing" if missing else ""


def points(margin: float) -> str:
    """A margin of 0.1 as ``10 points``."""
    return f"{margin * 100:g} point{'' if margin == 0.01 else 's'}"


def p_words(value: float) -> str:
    """Three decimals, and never 0."""
    return f"{value:.3f}" if value >= 0.001 else "0.001 or less"
