"""A graph that tells colours without having been trained, images of those colours, and the bundle asked of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from deploy.edge.files import sha256_file
from deploy.edge.spec import Decision, Preprocessing
from deploy.export.bundle_writer import BundleSpec
from inspection.data.index import ImageIndex

CLASSES = ("blue", "green", "red")
SIZE = Preprocessing(height=16, width=16)


class ColourGraph(nn.Module):
    """Tells the strongest colour: a graph whose right answers are known without training."""

    def __init__(self, gain: float = 8.0) -> None:
        super().__init__()
        self.head = nn.Linear(3, 3, bias=False)
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(3).flip(0) * gain)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = image.permute(0, 3, 1, 2).to(torch.float32).mean(dim=(2, 3)) / 255.0
        return torch.softmax(self.head(embedding), dim=1), embedding


def painted(root: Path, count: int = 60, side: int = 24) -> ImageIndex:
    """Noisy colours, every fifth image val, every third of the rest test."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(8)
    rows = []
    for i in range(count):
        label = CLASSES[i % 3]
        pixels = rng.integers(0, 120, (side, side, 3), dtype=np.uint8)
        pixels[:, :, 2 - CLASSES.index(label)] += 110
        path = root / f"{i:03d}.png"
        cv2.imwrite(str(path), pixels[:, :, ::-1])
        split = "val" if i % 5 == 0 else "test" if i % 2 == 0 else "train"
        row = {"path": path.name, "label": label, "image_id": sha256_file(path), "split": split}
        rows.append(row)
    return ImageIndex.from_rows(root, rows)


def spec(**changes: Any) -> BundleSpec:
    """What the bundle is asked to be."""
    values: dict[str, Any] = {
        "name": "colours",
        "classes": CLASSES,
        "preprocessing": SIZE,
        "decision": Decision(ok_class="green", reject_at=0.5),
        "temperature": 1.0,
        "test_digest": "t" * 64,
        "hashes": {"student_weights": "s" * 64, "code": "c" * 64},
    }
    return BundleSpec(**{**values, **changes})
