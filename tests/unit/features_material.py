"""A small network's configuration and images of several widths to run it on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np

from inspection.data.index import ImageIndex
from inspection.learning_config import TeacherConfig

CONFIG = TeacherConfig(backbone="test_resnet", image_size=32, batch_size=4)


def make_index(root: Path, count: int) -> ImageIndex:
    """Noise of seven widths, all of one class."""
    root.mkdir()
    generator = np.random.default_rng(0)
    rows = []
    for number in range(count):
        path = root / f"{number}.png"
        cv2.imwrite(str(path), generator.integers(0, 256, (40, 40 + number % 7, 3), dtype=np.uint8))
        name = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append({"path": path.name, "image_id": name, "label": "a"})
    return ImageIndex.from_rows(root, rows)
