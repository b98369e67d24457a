"""What moved in a batch, as a number and in words for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from data_checks.drift_cause import STANDS, Shift
from data_checks.drift_measures import CLOUD, SHARES, SIGNALS, STRANGE, TAILS, Measures

UNSEEN = 0.005
"""Spreads that two decimals show as none."""


def told(
    name: str,
    here: Measures,
    there: Measures,
    shifts: Mapping[str, Shift],
    classes: Sequence[str],
) -> tuple[float, str]:
    """Effect and detail of the signal `name`; an effect of 0 says that none can be counted."""
    if name == SHARES:
        return _shares(here, there, classes)
    if name == STRANGE:
        limit = np.quantile(there.strange, 1.0 - TAILS[1], axis=0)
        share = float((here.strange > limit).mean(axis=0).max())
        return share, f"{share:.0%} of images lie beyond {1 - TAILS[1]:.0%} of the reference"
    if name == CLOUD:
        squared = float(((here.waves.mean(axis=0) - there.waves.mean(axis=0)) ** 2).mean() * 2)
        return squared, f"squared MMD {squared:.3g}"
    number = max((one for one in SIGNALS[name] if one in shifts), key=lambda one: shifts[one].order)
    which = "" if number == name else f"{number} "
    return shifts[number].spreads, which + _typical(shifts[number])


def _shares(here: Measures, there: Measures, classes: Sequence[str]) -> tuple[float, str]:
    before, now = (
        np.bincount(side.labels, minlength=len(classes)) / len(side.labels)
        for side in (there, here)
    )
    moved = int(np.abs(now - before).argmax())
    effect = float(np.abs(now - before).sum() / 2)
    return effect, f"'{classes[moved]}' {before[moved]:.0%} → {now[moved]:.0%}"


def _typical(shift: Shift) -> str:
    if shift.countless:
        return f"moved on the typical image, {STANDS}"
    if abs(shift.spreads) < UNSEEN:
        return "is as it was on the typical image, not on all"
    return f"{shift.spreads:+.2f} spreads on the typical image"
