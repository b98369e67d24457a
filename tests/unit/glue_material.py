"""A drawn image folder for `plumbline data`, and the one fault that a refusal names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.unit.checks_material import surface

INDEX = "index.parquet"


def draw(root: Path, *, marks: bool = False) -> Path:
    """Nine images of each of two classes; with `marks` as image and mask pairs."""
    for label, seed in (("MT_Free", 0), ("MT_Crack", 100)) if marks else (("ok", 0), ("ng", 100)):
        folder = root / label / "Imgs" if marks else root / label
        folder.mkdir(parents=True)
        for number in range(9):
            suffix = "jpg" if marks else "png"
            cv2.imwrite(str(folder / f"{number}.{suffix}"), surface(seed + number, size=48))
            if marks:
                mask = np.zeros((48, 48), np.uint8)
                mask[20:30, 10:20] = 255 if seed else 0
                cv2.imwrite(str(folder / f"{number}.png"), mask)
    return root


def fault(document: dict[str, Any]) -> str:
    """The one line of a refusal."""
    (only,) = document["faults"]
    assert "\n" not in only
    return str(only)
