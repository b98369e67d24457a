"""Twelve images of each class and thirty that nobody has labelled, as the steps of a run make them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from data_checks.contradictions import quarantine_contradictions
from data_checks.duplicates import group_duplicates
from data_checks.expectations import validate_index
from data_checks.leaks import LeakReport, leak_report
from inspection.config import ChecksConfig, DataConfig, SplitConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.own_split import place
from inspection.learning_config import TeacherConfig
from inspection.store import Store
from tests.unit.learning_material import CLASSES, drawn

PER_CLASS = 12
MORE = 30
CHECKS = ChecksConfig(min_side=16)
TEACHER = TeacherConfig(backbone="test_resnet", image_size=64)


def surface(label: str, generator: np.random.Generator) -> np.ndarray:
    """One of `drawn` on a texture of its own, so that no two images show one part."""
    rough = cv2.GaussianBlur(generator.normal(0, 400, (96, 96)), (0, 0), 2.5)
    image = cv2.resize(drawn(label, generator), (96, 96)).astype(float) + rough[:, :, None]
    return image.clip(0, 255).astype(np.uint8)


def fill(root: Path) -> Path:
    """Class folders of `PER_CLASS` images, and `MORE` images in the folder `more`."""
    generator = np.random.default_rng(0)
    for number in range(PER_CLASS * len(CLASSES)):
        label = CLASSES[number % len(CLASSES)]
        write(root / label / f"{number}.png", surface(label, generator))
    for number in range(MORE):
        write(root / "more" / f"{number}.png", surface(CLASSES[number % 3], generator))
    return root


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def read(root: Path, unlabelled: str | None = "more") -> ImageIndex:
    config = DataConfig(kind="folder", root=root, unlabelled=unlabelled)
    return ingest(config, CHECKS, store=Store(root.parent / "store"), seed=0)


@dataclass(frozen=True)
class Placed:
    """What the steps of a run make of a folder, up to the leaks."""

    index: ImageIndex
    leaks: LeakReport

    @property
    def home(self) -> pd.Series[str]:
        """Split by path."""
        return self.index.frame.set_index("path")["split"]


def prepared(root: Path, frozen: frozenset[str] = frozenset()) -> Placed:
    checked = quarantine_contradictions(read(root))
    validate_index(checked, CHECKS).require()
    grouped, duplicates = group_duplicates(checked)
    placed = place(grouped, SplitConfig(), seed=7, frozen=frozen)
    return Placed(placed, leak_report(placed, duplicates, seed=7))
