"""Surfaces to learn from without labels, and runs that are over in seconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from inspection.data.index import ImageIndex
from inspection.learning_config import SelfSupervisionConfig, TeacherConfig
from inspection.training.self_supervision import TunedBackbone, tune_backbone

SIDE = 48
CNN = TeacherConfig(backbone="test_resnet", image_size=SIDE)
VIT = TeacherConfig(backbone="test_vit", image_size=SIDE)
CONFIG = SelfSupervisionConfig(
    epochs=4,
    batch_size=12,
    learning_rate=1e-3,
    local_crops=1,
    local_size=32,
    outputs=64,
    hidden=64,
    bottleneck=32,
    check_every_epochs=2,
    teacher_temperature=0.07,
)
STEPS = 2  # per epoch: 24 training images
CHILD = """
import os, signal, sys
from pathlib import Path
from inspection.learning_config import SelfSupervisionConfig, TeacherConfig
from inspection.data.index import ImageIndex
from inspection.training import self_supervision_loop as loop
from inspection.training.self_supervision import tune_backbone

home, folder, die_at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[5])
learn = loop.Loop._learn

def dying(self, *arguments):
    if self.step == die_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(self, *arguments)

loop.Loop._learn = dying
tune_backbone(
    ImageIndex.load(home / "index.parquet"), TeacherConfig.model_validate_json(sys.argv[3]),
    SelfSupervisionConfig.model_validate_json(sys.argv[4]), seed=3, folder=folder, device="cpu",
)
"""


def drawn(label: str, generator: np.random.Generator) -> np.ndarray:
    """A grey noisy surface, plain, striped or with one bright spot."""
    image = generator.normal(110, 18, (SIDE, SIDE))
    if label == "stripes":
        image += 45 * np.sin(np.arange(SIDE) * 1.3 + generator.uniform(0, 6))[:, None]
    if label == "spot":
        y, x = generator.integers(5, 36, 2)
        image[y : y + 8, x : x + 8] += 90
    return np.repeat(image.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def drawn_index(home: Path) -> ImageIndex:
    """48 images: 24 to train on, 12 each to validate and test; some training images have no label."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(48):
        label = ("plain", "stripes", "spot")[number % 3]
        cv2.imwrite(str(home / f"{number}.png"), drawn(label, generator))
        split = ("train", "val", "train", "test")[number // 3 % 4]
        rows.append(
            {"path": f"{number}.png", "image_id": f"{number:03d}", "label": label, "split": split}
        )
    index = ImageIndex.from_rows(home, rows)
    index.save(home / "index.parquet")
    return index


def tuned(
    index: ImageIndex,
    folder: Path,
    teacher: TeacherConfig = CNN,
    config: SelfSupervisionConfig = CONFIG,
    **changes: object,
) -> TunedBackbone:
    config = SelfSupervisionConfig.model_validate({**config.model_dump(), **changes})
    return tune_backbone(index, teacher, config, seed=3, folder=folder, device="cpu")
