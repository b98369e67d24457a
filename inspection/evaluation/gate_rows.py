"""The rows of the gate's table that are no paired test of accuracy: floors, costs, calibration, corruptions, honesty.

Each row says what was asked and, where it refuses, why and by how much. A row that nothing was asked of only tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from inspection.config import GateConfig
from inspection.evaluation.calibration import gap_and_slot, rise_p
from inspection.evaluation.economics import NO_OK_CLASS, Economics
from inspection.evaluation.gate_evidence import Corrupted, Evidence
from inspection.evaluation.metrics import ClassScore, Evaluation
from inspection.evaluation.noninferiority import LEVEL

METRICS = ("accuracy", "macro_f1", "balanced_accuracy")
TOLERANCE = 1e-9
"""Rounding, not a loss: the same decisions summed in another order."""
NAMED = 5
"""A refusal names the classes and images that matter most, not all of them."""
MEGA = 1e6
Unit = Literal["share", "ms", "MB", "ppm", ""]


@dataclass(frozen=True)
class GateRow:
    """One question: what was asked (`asked`, in words), what was there; None where nothing was measured or compared."""

    metric: str
    challenger: float | None
    champion: float | None
    asked: str
    reason: str = ""
    unit: Unit = "share"

    @property
    def passed(self) -> bool:
        """Whether it refuses nothing."""
        return not self.reason

    @property
    def difference(self) -> float | None:
        """Challenger less champion."""
        if self.challenger is None or self.champion is None:
            return None
        return self.challenger - self.champion


def value_of(evaluation: Evaluation, metric: str) -> float:
    """The plain figure behind a name of `METRICS`."""
    return evaluation.accuracy.value if metric == "accuracy" else getattr(evaluation, metric)


def floor_rows(
    challenger: Evaluation, champion: Evaluation | None, config: GateConfig
) -> list[GateRow]:
    """Each metric against its floor; the last that is below also names the weakest classes."""
    rows = [_floor(metric, challenger, champion, config) for metric in METRICS]
    short = [i for i, row in enumerate(rows) if row.reason]
    if short:
        last = rows[short[-1]]
        reason = f"{last.reason}; weakest classes: {_weakest(challenger)}"
        rows[short[-1]] = GateRow(last.metric, last.challenger, last.champion, last.asked, reason)
    return rows


def calibration_row(
    challenger: Evaluation,
    champion: Evaluation | None,
    groups: Mapping[str, str],
    config: GateConfig,
    *,
    seed: int,
) -> GateRow:
    """Calibration error: an absolute limit, and a rise above the champion's that is more than chance."""
    asked, reason = [], ""
    if config.max_ece < 1:
        asked.append(f"at most {config.max_ece:g}")
    if challenger.ece > config.max_ece + TOLERANCE:
        reason = f"calibration error {challenger.ece:.4f} is above its limit {config.max_ece:.4f}"
    if champion is not None:
        asked.append(f"at most {config.max_ece_rise:g} above the champion's")
        rise = challenger.ece - champion.ece
        if not reason and rise > config.max_ece_rise:
            p = _rise_p(challenger, champion, groups, seed)
            if p <= LEVEL:
                reason = (
                    f"calibration error {challenger.ece:.4f} is {rise:.4f} above the champion's {champion.ece:.4f} "
                    f"(allowed {config.max_ece_rise:.4f}; more than chance, p = {p:.3f}): fit the temperature again"
                )
    theirs = champion.ece if champion else None
    return GateRow("ece", challenger.ece, theirs, "; ".join(asked), reason)


def cost_rows(evidence: Evidence, config: GateConfig, *, compared: bool) -> list[GateRow]:
    """Latency and size: absolute limits, and how far beyond the champion's; nothing where nothing was timed."""
    if evidence.cost is None:
        return []
    rival = evidence.champion_cost if compared else None
    time = _cost_row(
        "latency",
        "ms",
        (evidence.cost.latency_ms, rival.latency_ms if rival else None),
        (config.max_latency_ms, config.max_slowdown),
    )
    bytes_ = _cost_row(
        "size",
        "MB",
        (evidence.cost.bytes / MEGA, rival.bytes / MEGA if rival else None),
        (config.max_megabytes, config.max_growth),
    )
    return [time, bytes_]


def corruption_rows(evidence: Evidence, config: GateConfig, *, compared: bool) -> list[GateRow]:
    """Accuracy on corrupted images; refused is a loss to the champion beyond the limit that is more than chance."""
    return [_corruption(one, config, compared=compared) for one in evidence.corrupted]


def certificate_row(evidence: Evidence) -> GateRow | None:
    """None where nobody looked."""
    if evidence.certificate is None:
        return None
    fault = evidence.certificate
    reason = f"no valid certificate: {fault}; export the model again" if fault else ""
    return GateRow("certificate", None, None, "present, for this gate set", reason, "")


def overlap_rows(evidence: Evidence, count: int, *, compared: bool) -> list[GateRow]:
    """The gate set must be new to all who are judged by it: seen is an image when any of its group was trained on."""
    rows = []
    sides = (("challenger", evidence.seen_by_challenger), ("champion", evidence.seen_by_champion))
    for who, images in sides:
        if images is None or (who == "champion" and not compared):
            continue
        reason = ""
        if images:
            named = ", ".join(image[:12] for image in images[:2])
            reason = (
                f"the gate set is not new to the {who}: {len(images)} of its {count} images belong to groups that "
                f"it was trained on ({named}{', …' if len(images) > 2 else ''}); keep one frozen split for both (same "
                f"name, split and split.seed), or train again without them"
            )
        share = len(images) / count
        mine, theirs = (share, None) if who == "challenger" else (None, share)
        rows.append(GateRow(f"gate images seen by the {who}", mine, theirs, "none", reason))
    return rows


def economics_row(found: Economics | None, rival: Economics | None) -> GateRow | None:
    """Escapes against the share that was promised; None for a set without a good class and nothing asked."""
    if found is None:
        return None
    asked, reason = "", ""
    if found.max_escape is not None:
        asked = f"at most {found.max_escape * 100:g} % of defective parts"
        if not found.holds:
            reason = f"too many defective parts are accepted: {found.sentence}; lower the threshold or retrain"
    theirs = rival.escape_ppm[0] if rival else None
    return GateRow("escape", found.escape_ppm[0], theirs, asked, reason, "ppm")


def promise_row(evidence: Evidence, found: Economics | None) -> GateRow | None:
    """A promised escape rate needs a class that stands for a good part."""
    if found is not None or evidence.economics.max_escape is None or evidence.rule is None:
        return None
    return GateRow("escape", None, None, "", f"economics.max_escape cannot be held: {NO_OK_CLASS}")


def _floor(
    metric: str, challenger: Evaluation, champion: Evaluation | None, config: GateConfig
) -> GateRow:
    value, floor = value_of(challenger, metric), float(getattr(config, f"min_{metric}"))
    rival = value_of(champion, metric) if champion else None
    reason = ""
    if value < floor - TOLERANCE:
        reason = f"{metric} {value:.4f} is {floor - value:.4f} below its floor {floor:.4f}"
    return GateRow(metric, value, rival, f"at least {floor:g}" if floor else "", reason)


def _weakest(evaluation: Evaluation) -> str:
    def recall(score: ClassScore) -> float:
        return score.recall.value

    present = sorted((s for s in evaluation.per_class if s.support), key=recall)
    below_perfect = [s for s in present if s.recall.hits < s.support][:NAMED]
    return ", ".join(f"{s.label} {s.recall.hits} of {s.support}" for s in below_perfect)


def _cost_row(
    name: str,
    unit: Unit,
    values: tuple[float, float | None],
    limits: tuple[float | None, float | None],
) -> GateRow:
    (value, rival), (most, times) = values, limits
    asked, reason = [], ""
    if most is not None:
        asked.append(f"at most {most:g} {unit}")
        if value > most:
            reason = f"{name} {value:.3g} {unit} is above its limit {most:g} {unit}"
    if rival is not None and times is not None:
        asked.append(f"at most {times:g} × the champion's")
        if not reason and value > times * rival:
            reason = (
                f"{name} {value:.3g} {unit} is {value / rival:.2f} × the champion's {rival:.3g} {unit} "
                f"(allowed {times:g} ×)"
            )
    return GateRow(name, value, rival, "; ".join(asked), reason, unit)


def _corruption(one: Corrupted, config: GateConfig, *, compared: bool) -> GateRow:
    ours = one.challenger_hits / one.images
    if one.champion_hits is None or not compared:
        return GateRow(one.name, ours, None, "")
    theirs = one.champion_hits / one.images
    reason = ""
    if theirs - ours > config.max_corruption_loss + TOLERANCE and one.p_worse <= LEVEL:
        reason = (
            f"under {one.name} it recognises {one.challenger_hits} of {one.images} images, the champion "
            f"{one.champion_hits}: more than the {config.max_corruption_loss * 100:g} points allowed and more than "
            f"chance (p = {one.p_worse:.3f}); train with stronger augmentation"
        )
    asked = f"at most {config.max_corruption_loss:g} below the champion's"
    return GateRow(one.name, ours, theirs, asked, reason)


def _rise_p(
    challenger: Evaluation, champion: Evaluation, groups: Mapping[str, str], seed: int
) -> float:
    place = {image: i for i, image in enumerate(champion.image_ids)}
    order = np.array([place[image] for image in challenger.image_ids])
    true = np.array(challenger.labels)
    things = [groups.get(image, image) for image in challenger.image_ids]
    gaps, slots = [], []
    for one, rows in ((challenger, np.arange(len(order))), (champion, order)):
        confidence = np.array(one.probabilities).max(axis=1)[rows]
        gap, slot = gap_and_slot(confidence, np.array(one.predictions)[rows] == true)
        gaps.append(gap)
        slots.append(slot)
    units = np.unique(things, return_inverse=True)[1]
    return rise_p((gaps[0], gaps[1]), (slots[0], slots[1]), units, seed=seed)
