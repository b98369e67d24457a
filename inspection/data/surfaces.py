"""A part of the synthetic data set: a surface, at most one kind of defect on it, and the mask of the defect."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from inspection.data.defects import DEFECTS
from inspection.data.textures import Canvas, Random, surface

__all__ = ["CLASSES", "DEFECTS", "OK", "VISIBLE", "Canvas", "Mask", "Random", "part"]

Mask = npt.NDArray[np.uint8]

OK = "ok"
CLASSES = tuple(sorted([OK, *DEFECTS]))

VISIBLE = 5.0
"""Grey levels by which a pixel must differ from the sound surface to count as defect."""


def part(label: str, size: int, random: Random) -> tuple[Canvas, Mask]:
    """Grey levels 0..255, float32 (size, size), of a part with the defect that `label` names; its mask, 0 or 255."""
    clean, lamp = surface(size, random)
    if label == OK:
        return _exposed(clean), np.zeros((size, size), np.uint8)
    change = DEFECTS[label](size, random) * lamp
    mask = np.where(np.abs(change) >= VISIBLE, 255, 0).astype(np.uint8)
    return _exposed(clean + change), mask


def _exposed(canvas: Canvas) -> Canvas:
    return np.clip(canvas, 0, 255).astype(np.float32)
