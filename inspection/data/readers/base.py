"""What a reader says of one file, before anybody has opened it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inspection.config import DataConfig
from inspection.data.shapes import Shape

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
ANNOTATION_SUFFIXES = frozenset({".xml", ".json", ".csv", ".txt", ".yaml", ".yml", ".parquet"})


@dataclass(frozen=True)
class Box:
    """A labelled box in pixels, `x0 <= x < x1`, `y0 <= y < y1`, as the annotation states it."""

    x0: float
    y0: float
    x1: float
    y1: float
    label: str

    @property
    def area(self) -> float:
        """Square pixels; 0 for a degenerate box."""
        return max(0.0, self.x1 - self.x0) * max(0.0, self.y1 - self.y0)


@dataclass(frozen=True)
class RawItem:
    """One image file and what its data set claims about it; `path` and `mask_path` relative to the root.

    `fault` is a quarantine code and its sentence, for what a reader can already see.
    """

    path: str
    label: str | None = None
    label_source: str | None = None
    boxes: tuple[Box, ...] = ()
    shapes: tuple[Shape, ...] = ()
    """Pixels of defects as the annotation states them; they become regions once the image's size is known."""
    relative: bool = False
    """Boxes and outlines are shares of the image's size (0 to 1), not pixels."""
    mask_path: str | None = None
    mask_classes: Mapping[int, str] | None = None
    """The mask holds these class numbers, 0 is background; without it, grey levels of one class."""
    pair_id: str | None = None
    session: str | None = None
    camera: str | None = None
    split: str | None = None
    """As the annotation states it; whoever splits for a run overwrites it, unless told to keep it."""
    stated_size: tuple[int, int] | None = None
    """Width and height that an annotation gives; boxes drawn on another size belong to another image."""
    fault: tuple[str, str] | None = None
    warnings: tuple[str, ...] = field(default=())


Reader = Callable[[Path, DataConfig], list[RawItem]]
"""Root and config in, one item per image file out, sorted by path. Reads annotations, opens no image."""
