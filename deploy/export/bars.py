"""What each precision may do to decisions on the frozen test set, and the sentence when it did more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MAX_FLIPS_FP32 = 0
MAX_DELTA_FP32 = 1e-4
MAX_FLIP_RATE_FP16 = 0.001
"""So below 1,000 test images not one."""


class ClassFigures(Protocol):
    """One class before and after."""

    @property
    def label(self) -> str: ...
    @property
    def support(self) -> int: ...
    @property
    def hits_before(self) -> int: ...
    @property
    def hits_after(self) -> int: ...
    @property
    def recall_delta_low(self) -> float: ...


class Figures(Protocol):
    """What was measured of a conversion."""

    @property
    def images(self) -> int: ...
    @property
    def flips(self) -> int: ...
    @property
    def crossings(self) -> int: ...
    @property
    def max_delta(self) -> float: ...
    @property
    def per_class(self) -> Sequence[ClassFigures]: ...


@dataclass(frozen=True)
class Bar:
    """Limits; None where a precision has none.

    `max_flip_rate` counts labels and threshold crossings each; `max_delta` bounds every probability; `max_loss` is
    accuracy that may be lost, `max_class_loss` recall of any class, both as observed on the test set.
    """

    max_flip_rate: float | None = None
    max_delta: float | None = None
    max_loss: float | None = None
    max_class_loss: float | None = None

    def flips_allowed(self, images: int) -> int | None:
        """As a number of images."""
        return None if self.max_flip_rate is None else math.floor(self.max_flip_rate * images)


def bar_of(precision: str, *, max_loss: float = 0.0, max_class_loss: float = 0.0) -> Bar:
    """The bar of `fp32`, `fp16` or an INT8 variant, whose declared margins are the two losses."""
    if precision == "fp32":
        return Bar(max_flip_rate=0.0, max_delta=MAX_DELTA_FP32)
    if precision == "fp16":
        return Bar(max_flip_rate=MAX_FLIP_RATE_FP16)
    return Bar(max_loss=max_loss, max_class_loss=max_class_loss)


def faults_of(found: Figures, bar: Bar) -> list[str]:
    """A clause per limit that was passed; empty when all hold. Written so that NaN fails."""
    faults = []
    allowed = bar.flips_allowed(found.images)
    if allowed is not None:
        counts = {"labels flip": found.flips, "thresholds are crossed": found.crossings}
        faults += [
            f"{count} {what} in {found.images} test images, allowed {allowed}"
            for what, count in counts.items()
            if count > allowed
        ]
    if bar.max_delta is not None and not found.max_delta <= bar.max_delta:
        faults.append(f"a probability moves by {found.max_delta:.2g}, allowed {bar.max_delta:g}")
    if bar.max_loss is not None:
        lost = sum(row.hits_before - row.hits_after for row in found.per_class) / found.images
        if lost > bar.max_loss:
            faults.append(f"accuracy falls by {lost:.2%}, allowed {bar.max_loss:.2%}")
    return faults + _class_faults(found, bar)


def _class_faults(found: Figures, bar: Bar) -> list[str]:
    faults = []
    for row in found.per_class:
        lost = (row.hits_before - row.hits_after) / row.support if row.support else 0.0
        if bar.max_class_loss is not None and lost > bar.max_class_loss:
            faults.append(
                f"recall of '{row.label}' falls by {lost:.1%} of {row.support} images "
                f"(at worst {-row.recall_delta_low:.1%}), allowed {bar.max_class_loss:.1%}"
            )
    return faults
