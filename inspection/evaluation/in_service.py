"""What a line in service decides, beside the same thresholds on the reference: all that unlabelled images can show.

Covered: chance in both sets, by Clopper and Pearson; at the line's own rate of defective parts, how many decisions are
wrong at least, and what they cost. Not covered: escapes and overkill themselves, which need labels; a reference with
other parts than the line's (validation images mostly hold more defects, so that a line rejects less than they); views
of one part, each of which counts as a part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspection.config import EconomicsConfig
from inspection.evaluation.economics import Rule, outcome_shares
from inspection.evaluation.intervals import Proportion
from inspection.records import Record

Floats = npt.NDArray[np.floating]
OUTCOMES = {"accept": "accepted", "reject": "rejected", "review": "reviewed"}


@dataclass(frozen=True)
class Decided:
    """How often one outcome came, in a batch and on the reference, with exact 95 % intervals."""

    outcome: str
    batch: Proportion
    reference: Proportion

    @property
    def moved(self) -> str:
        """'more' or 'less' than on the reference where the intervals lie apart; else empty."""
        if self.batch.low > self.reference.high:
            return "more"
        return "less" if self.batch.high < self.reference.low else ""

    @property
    def sentence(self) -> str:
        """As a line's people read it."""
        found = self.batch
        told = (
            f"{self.outcome} {found.value * 100:.1f} % ({found.low * 100:.1f} to {found.high * 100:.1f}) "
            f"of {found.total}, on the reference {self.reference.value * 100:.1f} %"
        )
        return f"{told}: clearly {self.moved}" if self.moved else told


@dataclass(frozen=True)
class AtLeast:
    """What a batch's shares come to where `defect_rate` of the line's parts are defective, at the least.

    `overkill`, `escape`: of all parts, good and rejected, defective and accepted; each by the low end of its share's
    95 % interval. `cost`: per part, with the reviews.
    """

    defect_rate: float
    overkill: float
    escape: float
    cost: float

    @property
    def sentence(self) -> str:
        """Empty where nothing has to be wrong."""
        told = [*self._parts()]
        if not told:
            return ""
        rate = f"with {self.defect_rate * 100:g} % defective parts on the line"
        return f"{rate} {' and '.join(told)}, which costs {self.cost:.3g} per part or more"

    def _parts(self) -> Iterator[str]:
        if self.overkill:
            yield f"at least {self.overkill * 100:.2g} % of all parts are good and rejected"
        if self.escape:
            yield f"at least {self.escape * 100:.2g} % of all parts are defective and accepted"


@dataclass(frozen=True)
class InService(Record):
    """Each outcome of a batch beside the reference; `least` is None where the line's defect rate is not known."""

    accepted: Decided
    rejected: Decided
    reviewed: Decided
    least: AtLeast | None
    sentence: str

    @property
    def outcomes(self) -> tuple[Decided, ...]:
        """In the order that a page lists them."""
        return self.accepted, self.rejected, self.reviewed


def in_service(
    batch: Floats, reference: Floats, classes: Sequence[str], rule: Rule, config: EconomicsConfig
) -> InService | None:
    """What `rule` makes of the probabilities (N, C) and (M, C); None without a class that stands for a good part."""
    if rule.ok_class is None or rule.ok_class not in classes:
        return None
    here, there = (
        outcome_shares(each.astype(np.float64), classes, rule) for each in (batch, reference)
    )
    accepted, rejected, reviewed = (
        Decided(word, here[name], there[name]) for name, word in OUTCOMES.items()
    )
    least = _at_least(accepted.batch, rejected.batch, reviewed.batch, config)
    told = [rejected.sentence]
    if reviewed.batch.hits or reviewed.reference.hits:
        told.append(reviewed.sentence)
    if least is not None and least.sentence:
        told.append(least.sentence)
    return InService(accepted, rejected, reviewed, least, "; ".join(told))


def _at_least(
    accepted: Proportion, rejected: Proportion, reviewed: Proportion, config: EconomicsConfig
) -> AtLeast | None:
    """More rejects than defective parts must be good parts; more accepted ones than good parts must be defective."""
    rate = config.defect_rate
    if rate is None:
        return None
    overkill = max(0.0, rejected.low - rate)
    escape = max(0.0, accepted.low - (1.0 - rate))
    wrong = escape * config.escape_cost + overkill * config.overkill_cost
    return AtLeast(rate, overkill, escape, wrong + reviewed.low * config.review_cost)
