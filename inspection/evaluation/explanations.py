"""What a student looked at, image by image, and how much of it lay where people had marked something.

Source of the pointing game: Zhang et al., Top-down Neural Attention by Excitation Backprop (ECCV 2016).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.spec import Preprocessing
from inspection.data.shapes import Mask
from inspection.evaluation.intervals import Proportion
from inspection.records import Record

Heat = npt.NDArray[np.float32]

KEPT_SIDE = 32
"""Pixels of a kept map: students see with fewer cells than that, and it is enlarged smoothly."""


@dataclass(frozen=True)
class Overlap:
    """One image's heat against its marked area; shares in 0..1, `hit`: the hottest point lies inside."""

    heat: float
    area: float
    """Of the picture: what `heat` would be if all of it were equally warm."""
    hit: bool


@dataclass(frozen=True)
class Pointing:
    """Over annotated images: how often the hottest point lay inside the marks, and mean shares of heat and picture."""

    hits: Proportion
    heat: float
    area: float
    """What `heat` would be if the student looked everywhere alike, and `hits` if it pointed at random."""


@dataclass(frozen=True)
class Explanation:
    """One image. `heat` belongs to `called`, `heat_true` to `label`: base64 PNG, grey 0..255; empty where not asked."""

    image_id: str
    path: str
    label: str
    called: str
    confidence: float
    heat: str
    heat_true: str = ""
    overlap: Overlap | None = None

    @property
    def right(self) -> bool:
        """Called what it is."""
        return self.label == self.called


@dataclass(frozen=True)
class Explanations(Record):
    """Chosen test images with their heat, and the pointing over all annotated ones that were measured.

    `method`: grad_cam, token_grad_cam, attention or none, and then `reason` says why. `cells`: rows and columns of the
    map as the network has it. The wrong ones come first in `shown`, the surest first.
    """

    method: str
    cells: tuple[int, int]
    preprocessing: Preprocessing
    shown: tuple[Explanation, ...] = ()
    right: Pointing | None = None
    wrong: Pointing | None = None
    test_images: int = 0
    reason: str = ""


def overlap(heat: Heat, area: Mask) -> Overlap | None:
    """Heat (H, W) >= 0 against a marked area of the same shape; None where there is no heat to place."""
    total = float(heat.sum(dtype=np.float64))
    if total <= 0.0:
        return None
    inside = float(heat[area].sum(dtype=np.float64)) / total
    return Overlap(inside, float(area.mean()), bool(area.flat[int(heat.argmax())]))


def pointing(overlaps: Sequence[Overlap]) -> Pointing | None:
    """The mean of many; None of nothing."""
    if not overlaps:
        return None
    return Pointing(
        hits=Proportion.of(sum(found.hit for found in overlaps), len(overlaps)),
        heat=float(np.mean([found.heat for found in overlaps])),
        area=float(np.mean([found.area for found in overlaps])),
    )


def packed(heat: Heat) -> str:
    """Heat (H, W) in 0..1 as a small grey PNG, in base64."""
    rows, columns = heat.shape
    scale = min(1.0, KEPT_SIDE / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    small = cv2.resize(np.round(heat * 255).astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    return base64.b64encode(cv2.imencode(".png", small)[1].tobytes()).decode()


def unpacked(heat: str, height: int, width: int) -> Heat:
    """What `packed` kept, as float32 (height, width) in 0..1."""
    data = np.frombuffer(base64.b64decode(heat), np.uint8)
    small = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if small is None:
        raise ValueError("a kept heat map is no PNG")
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, dtype=np.float32) / 255.0
