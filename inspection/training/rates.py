"""How the learning rate goes, as factors of the configured one: pure functions of the step and of past validations.

Nothing of a schedule is state: a run that goes on after a kill computes it again from the history it has kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

WARM_UP = 0.1
"""Share of the steps in which the learning rate climbs."""
FINAL_RATE = 0.01
"""Share of the learning rate at the last step of a cosine."""
PATIENCE = 2
"""Epochs without a better validation that a plateau may have."""
DROP = 0.2
"""Factor of the learning rate when it had more."""
MARGIN = 1e-4
"""Share by which a loss must be smaller to count as better; as in torch's ReduceLROnPlateau."""


def climb(progress: float) -> float:
    """Linear warm-up to 1 at `WARM_UP`, for `progress` 0..1 through the run."""
    return max(0.01, progress / WARM_UP) if progress < WARM_UP else 1.0


def cosine(progress: float) -> float:
    """Linear warm-up, then half a cosine down to 1 %."""
    if progress < WARM_UP:
        return climb(progress)
    fall = 0.5 * (1.0 + math.cos(math.pi * (progress - WARM_UP) / (1.0 - WARM_UP)))
    return FINAL_RATE + (1.0 - FINAL_RATE) * fall


def plateau(losses: Sequence[float]) -> float:
    """The factor after these validation losses: `DROP` for each time there were more than `PATIENCE` in vain."""
    best, in_vain, factor = math.inf, 0, 1.0
    for loss in losses:
        better = loss < best * (1.0 - MARGIN)
        best, in_vain = (loss, 0) if better else (best, in_vain + 1)
        if in_vain > PATIENCE:
            factor, in_vain = factor * DROP, 0
    return factor
