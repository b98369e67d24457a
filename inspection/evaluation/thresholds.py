"""Where the device's thresholds should stand: for a promised escape rate, and around the parts a person should see.

Both choose a *rank* before they look at a value, so what they promise holds though the same images place the
threshold: the k-th smallest of n suspicions has a share below it that is Beta(k, n - k + 1), whatever the model (Wilks,
Annals of Mathematical Statistics 12, 1941), and a new part falls below it with probability k / (n + 1) (split conformal
prediction by class: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005, 4.5).

Covered: any model, any number of images. Not covered: parts unlike the validation images, for which drift has to speak;
that they also chose the student's best epoch, so the gate counts again on images nothing has learned from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from deploy.edge.spec import Decision
from inspection.config import EconomicsConfig

Floats = npt.NDArray[np.float64]
STEP = 1e-6
"""Thresholds stand so far on the safe side of the image that places them: a conversion's rounding must not move it."""


@dataclass(frozen=True)
class Thresholds:
    """A decision, and what it promises or cannot promise, one sentence each."""

    decision: Decision
    shown: bool
    sentences: tuple[str, ...]


def escape_bound(escapes: int, defects: int, confidence: float) -> float:
    """Clopper and Pearson's one-sided upper bound of the escape rate; 1 where nothing was seen."""
    if escapes >= defects:
        return 1.0
    return float(beta.ppf(confidence, escapes + 1, defects - escapes))


def defects_needed(escapes: int, defects: int, target: float, confidence: float) -> int:
    """The fewest defects that would show `target` at the rate of escapes seen, which must lie below it."""
    rate = escapes / defects if defects else 0.0
    enough = max(math.ceil(math.log(1 - confidence) / math.log1p(-target)), 1)
    # The bound falls with n but for steps of one escape: double, then walk back by halves.
    while escape_bound(math.ceil(rate * enough), enough, confidence) > target:
        enough *= 2
    low = enough // 2
    while low < enough:
        middle = (low + enough) // 2
        if escape_bound(math.ceil(rate * middle), middle, confidence) > target:
            low = middle + 1
        else:
            enough = middle
    return max(enough, math.ceil(math.log(1 - confidence) / math.log1p(-target)))


def choose_thresholds(
    suspicion: Floats,
    things: Sequence[str],
    defective: Sequence[bool],
    config: EconomicsConfig,
    decision: Decision,
) -> Thresholds:
    """`decision` with the thresholds that `config` asks for, from validation images with P(defect) `suspicion` (N,).

    `things` names what each image shows: views of one thing are one witness, and its least favourable view counts.
    """
    which, named = np.array(defective, dtype=np.bool_), np.array(things)
    bad = np.sort(_lowest(suspicion[which], named[which]))
    good = np.sort(-_lowest(-suspicion[~which], named[~which]))
    found = Thresholds(decision, True, ())
    if config.review_error is not None:
        found = _band(found, bad, good, config.review_error)
    if config.max_escape is not None:
        found = _promise(found, bad, config.max_escape, config.confidence)
    return found


def _lowest(values: Floats, things: npt.NDArray[np.str_]) -> Floats:
    """The smallest value of each thing."""
    names, which = np.unique(things, return_inverse=True)
    lowest = np.full(len(names), np.inf)
    np.minimum.at(lowest, which, values)
    return lowest


def _promise(found: Thresholds, bad: Floats, target: float, confidence: float) -> Thresholds:
    """Accept only below the highest rank whose share below it is at most `target`, with `confidence`."""
    count = len(bad)
    rank = 0
    while rank < count and escape_bound(rank, count, confidence) <= target:
        rank += 1
    sure = f"{confidence * 100:g} %"
    if rank == 0:
        needed = defects_needed(0, count, target, confidence)
        said = (
            f"{target * 100:g} % escape cannot be shown with {count} defective validation images, it needs {needed}; "
            "the threshold lies below every one of them"
        )
        place = _below(bad[0]) if count else 0.0
        return _accept_below(found, place, shown=False, said=said)
    place = _below(bad[rank - 1])
    said = (
        f"accepting only below P(defect) {place:.4g} lets at most {target * 100:g} % of defective parts escape, "
        f"with {sure} confidence ({count} defective validation images)"
    )
    return _accept_below(found, place, shown=found.shown, said=said)


def _accept_below(found: Thresholds, place: float, *, shown: bool, said: str) -> Thresholds:
    """Without a band the one threshold moves; with one only what is accepted does."""
    old = found.decision
    if old.accept_below is None:
        decision = replace(old, reject_at=place)
    else:
        lower = min(old.accept_below, place)
        decision = replace(old, accept_below=lower)
    return Thresholds(decision, shown, (*found.sentences, said))


def _below(value: float) -> float:
    return max(float(value) - STEP, 0.0)


def _band(found: Thresholds, bad: Floats, good: Floats, error: float) -> Thresholds:
    """Accept what is unlike a defective part, reject what is unlike a good one; a person sees the rest."""
    enough = math.ceil(1 / error) - 1
    below = math.floor(error * (len(bad) + 1))
    above = math.floor(error * (len(good) + 1))
    lower = _below(bad[below - 1]) if below else 0.0
    upper = min(float(good[-above]) + STEP, 1.0) if above else 1.0
    decision = replace(found.decision, accept_below=min(lower, upper), reject_at=max(lower, upper))
    said = [
        f"parts with P(defect) from {decision.accept_below:.4g} to {decision.reject_at:.4g} go to a person; of "
        f"defective parts at most {error * 100:g} % are accepted, of good ones at most {error * 100:g} % rejected"
    ]
    for name, values, rank in (("defective", bad, below), ("good", good, above)):
        if rank == 0:
            said.append(
                f"{error * 100:g} % cannot be promised with {len(values)} {name} validation images, it needs {enough}"
            )
    return Thresholds(decision, below > 0 and above > 0, (*found.sentences, *said))
