"""What decisions cost: escapes (ppm) and overkill (%) with exact bounds, and the cost of every other threshold.

An *escape* is a defective part that is accepted; *overkill* is a good part that is rejected. A part sent to review is
neither, and costs a look. Everything is counted on what the device decides (`deploy/edge/decide.py`).

Covered: chance in the images, by Clopper and Pearson. Not covered: a line whose defects differ from the images'; views
of one part, each of which counts as a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deploy.edge.decide import decide
from deploy.edge.spec import Decision
from inspection.config import EconomicsConfig
from inspection.evaluation.intervals import Proportion
from inspection.evaluation.metrics import Evaluation
from inspection.evaluation.thresholds import defects_needed, escape_bound
from inspection.records import Record

Floats = npt.NDArray[np.float64]
PPM = 1e6
CURVE_POINTS = 41
NO_OK_CLASS = (
    "no class stands for a good part (data.ok_class), so escapes and overkill cannot be told"
)


@dataclass(frozen=True)
class Rule:
    """When a part is accepted, rejected or reviewed: the bundle's decision, as evaluation carries it about."""

    ok_class: str | None
    reject_at: float = 0.5
    review_below: float = 0.0
    accept_below: float | None = None

    @classmethod
    def of(cls, decision: Decision) -> Rule:
        """The rule that a bundle carries."""
        return cls(
            decision.ok_class, decision.reject_at, decision.review_below, decision.accept_below
        )

    @property
    def decision(self) -> Decision:
        """As the device reads it."""
        return Decision(self.ok_class, self.reject_at, self.review_below, self.accept_below)


@dataclass(frozen=True)
class CostPoint:
    """One place the threshold could stand at, without a review: shares of defective and good parts, cost per part."""

    reject_at: float
    escape: float
    overkill: float
    cost: float


@dataclass(frozen=True)
class Economics(Record):
    """A rule on a set of images; proportions with exact 95 % intervals.

    `escape`: of defective parts, accepted; `overkill`: of good parts, rejected; `review`: of all, sent to a person.
    `bound`: with `confidence` no more escapes than this share. `needed`: defective images that would show
    `max_escape` at the rate seen, None where nothing is asked or the rate itself is too high. `cost`: per part.
    """

    rule: Rule
    escape: Proportion
    overkill: Proportion
    review: Proportion
    bound: float
    confidence: float
    defect_rate: float | None
    max_escape: float | None
    needed: int | None
    cost: float
    curve: tuple[CostPoint, ...]
    sentence: str

    @property
    def escape_ppm(self) -> tuple[float, float, float]:
        """Escapes per million, low and high: of all parts where `defect_rate` is known, else of defective ones."""
        scale, found = PPM * (self.defect_rate or 1.0), self.escape
        return scale * found.value, scale * found.low, scale * found.high

    @property
    def holds(self) -> bool:
        """Whether no more defective parts escaped than were allowed; True where nothing was asked."""
        return self.max_escape is None or self.escape.value <= self.max_escape

    @property
    def shown(self) -> bool:
        """Whether these images show so, with `confidence`."""
        return self.max_escape is None or self.bound <= self.max_escape


def economics(evaluation: Evaluation, rule: Rule, config: EconomicsConfig) -> Economics | None:
    """What `rule` does to the images of `evaluation`; None for a set without good parts to tell from defective ones."""
    if rule.ok_class is None or rule.ok_class not in evaluation.classes:
        return None
    probabilities = np.array(evaluation.probabilities)
    defective = np.array([label != rule.ok_class for label in evaluation.labels])
    outcomes = np.array(outcomes_of(probabilities, evaluation.classes, rule))
    escape = Proportion.exact(int((outcomes[defective] == "accept").sum()), int(defective.sum()))
    overkill = Proportion.exact(
        int((outcomes[~defective] == "reject").sum()), int((~defective).sum())
    )
    review = Proportion.exact(int((outcomes == "review").sum()), len(outcomes))
    bound = escape_bound(escape.hits, escape.total, config.confidence)
    needed = _needed(escape, config)
    suspicion = 1.0 - probabilities[:, evaluation.classes.index(rule.ok_class)]
    return Economics(
        rule=rule,
        escape=escape,
        overkill=overkill,
        review=review,
        bound=bound,
        confidence=config.confidence,
        defect_rate=config.defect_rate,
        max_escape=config.max_escape,
        needed=needed,
        cost=_cost(outcomes, defective, config),
        curve=cost_curve(suspicion, defective, config),
        sentence=_sentence(escape, overkill, review, bound, needed, config),
    )


def outcomes_of(probabilities: Floats, classes: Sequence[str], rule: Rule) -> list[str]:
    """What the device does with each image of (N, C): accept, reject, review or classified."""
    return [decide(row, classes, rule.decision).outcome for row in probabilities]


def outcome_shares(
    probabilities: Floats, classes: Sequence[str], rule: Rule
) -> dict[str, Proportion]:
    """Accepted, rejected and reviewed of unlabelled images, with exact intervals: all that a line in service shows."""
    found = outcomes_of(probabilities, classes, rule)
    names = ("accept", "reject", "review")
    return {name: Proportion.exact(found.count(name), len(found)) for name in names}


def cost_curve(
    suspicion: Floats, defective: npt.NDArray[np.bool_], config: EconomicsConfig
) -> tuple[CostPoint, ...]:
    """Thresholds from 0 to 1 on P(defect) (N,), at the ranks where something changes; costs per part."""
    places = np.quantile(suspicion, np.linspace(0, 1, CURVE_POINTS - 2), method="nearest")
    share = _defect_share(defective, config)
    points = []
    for place in np.unique([0.0, *places, 1.0]):
        rejected = suspicion >= place
        escape = _mean(~rejected[defective])
        overkill = _mean(rejected[~defective])
        cost = share * escape * config.escape_cost + (1 - share) * overkill * config.overkill_cost
        points.append(CostPoint(float(place), escape, overkill, cost))
    return tuple(points)


def _cost(
    outcomes: npt.NDArray[np.str_], defective: npt.NDArray[np.bool_], config: EconomicsConfig
) -> float:
    share = _defect_share(defective, config)
    bad, good = outcomes[defective], outcomes[~defective]
    return (
        share * _mean(bad == "accept") * config.escape_cost
        + (1 - share) * _mean(good == "reject") * config.overkill_cost
        + (share * _mean(bad == "review") + (1 - share) * _mean(good == "review"))
        * config.review_cost
    )


def _defect_share(defective: npt.NDArray[np.bool_], config: EconomicsConfig) -> float:
    """The line's own; the images' where it is not known, and images of defects are collected eagerly."""
    return config.defect_rate if config.defect_rate is not None else _mean(defective)


def _mean(values: npt.NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else 0.0


def _needed(escape: Proportion, config: EconomicsConfig) -> int | None:
    if config.max_escape is None or escape.value >= config.max_escape:
        return None
    return defects_needed(escape.hits, escape.total, config.max_escape, config.confidence)


def _sentence(
    escape: Proportion,
    overkill: Proportion,
    review: Proportion,
    bound: float,
    needed: int | None,
    config: EconomicsConfig,
) -> str:
    per, scale = ("parts", config.defect_rate) if config.defect_rate else ("defective parts", 1.0)
    sure = f"{config.confidence * 100:g} %"
    told = (
        f"escape {PPM * scale * escape.value:,.0f} ppm of {per} ({escape.hits} of {escape.total} defects, with {sure} "
        f"confidence below {PPM * scale * bound:,.0f}), overkill {overkill.value * 100:.1f} % "
        f"({overkill.low * 100:.1f} to {overkill.high * 100:.1f})"
    )
    if review.hits:
        told += f", review {review.value * 100:.1f} %"
    if config.max_escape is None:
        return told
    target = f"{config.max_escape * 100:g} % escape"
    if bound <= config.max_escape:
        return f"{told}; {target} is shown"
    if needed is None:
        return f"{told}; more than the {target} allowed"
    return f"{told}; {target} cannot be shown with {escape.total} defects, it needs {needed}"
