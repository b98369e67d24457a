"""What to cut, and what was cut."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from inspection.errors import DataError
from inspection.records import Record

RANGES: dict[str, tuple[float, float]] = {
    "size": (8, 4096),
    "context": (0, 10),
    "min_patch_side": (4, 4096),
    "min_area": (1, 1e9),
    "min_side": (1, 1e5),
    "max_per_image": (1, 100_000),
    "mask_threshold": (1, 255),
    "ok_per_image": (0, 10_000),
    "ok_gap": (0, 4096),
    "max_megapixels": (0.001, 10_000),
}
"""Smallest and largest value of each number."""
FRACTIONS = ("context", "min_area", "min_side", "max_megapixels")


@dataclass(frozen=True)
class PatchOptions(Record):
    """How patches are cut; lengths in pixels of the source image, `size` alone in pixels of the patch.

    `context`: shares of the defect's longer side that are added to it. `ok_per_image`: patches without a defect from
    each image of `ok_class` and, with `ok_from_defective`, from images with drawn defects, `ok_gap` away from them.
    """

    size: int = 128
    context: float = 0.5
    min_patch_side: int = 32
    min_area: float = 4.0
    min_side: float = 2.0
    max_per_image: int = 20
    mask_threshold: int = 128
    ok_class: str | None = None
    ok_per_image: int = 0
    ok_from_defective: bool = True
    ok_gap: int = 8
    max_megapixels: float = 100.0

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            whole = name in FRACTIONS or (isinstance(value, int) and not isinstance(value, bool))
            if not whole or not math.isfinite(value) or not low <= value <= high:
                kind = "a number" if name in FRACTIONS else "a whole number"
                raise DataError(
                    f"patches: {name} is {value!r}; give {kind} from {low:g} to {high:g}"
                )
        if self.ok_per_image and not self.ok_class:
            raise DataError(
                f"patches: ok_per_image is {self.ok_per_image}, but no class is named as sound; give ok_class"
            )


@dataclass(frozen=True)
class PatchReport(Record):
    """What was cut and what was not; the index lies at `folder`/index.parquet.

    `made`: patches by class. `images`: parents with at least one patch. `too_small`, `over_limit`: defects left out.
    `mirrored`: patches larger than their image. `no_room`: ok patches asked for that found no place. `skipped`: images
    without any patch, by the reason why.
    """

    folder: Path
    images: int
    made: dict[str, int] = field(default_factory=dict)
    too_small: int = 0
    over_limit: int = 0
    mirrored: int = 0
    no_room: int = 0
    skipped: dict[str, int] = field(default_factory=dict)

    @property
    def patches(self) -> int:
        """All of them."""
        return sum(self.made.values())
