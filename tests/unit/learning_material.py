"""A tiny set of surfaces with its features and a teacher, for tests that train."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from inspection.data.index import ImageIndex
from inspection.features.extract import Features, extract_features
from inspection.learning_config import StudentConfig, TeacherConfig
from inspection.models.heads import Teacher
from inspection.store import Store
from inspection.training.pixels import OpenPixels, open_pixels
from inspection.training.second_looks import Eyes
from inspection.training.student import StudentResult, train_student
from inspection.training.teacher import train_teacher

SIDE = 32
CONFIG = StudentConfig(
    image_size=SIDE, epochs=16, batch_size=8, learning_rate=5e-3, patience=16, distill_features=0.2
)
TEACHER = TeacherConfig(backbone="test_resnet", image_size=64)

CHILD = """
import os, signal, sys
from pathlib import Path
from inspection.learning_config import StudentConfig
from inspection.data.index import ImageIndex
from inspection.features.extract import Features
from inspection.models.heads import Teacher
from inspection.training import module
from inspection.training.student import train_student
from tests.unit.learning_material import eyes_of

home, folder, config, die_at = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
finish = module.Distillation.finish_step

def finish_step(self):
    finish(self)
    print(self.step, flush=True)
    if self.step == die_at:
        os.kill(os.getpid(), signal.SIGKILL)

module.Distillation.finish_step = finish_step
train_student(
    ImageIndex.load(home / "index.parquet"), Features.load(home), Teacher.load(home),
    StudentConfig.model_validate_json(config), seed=3, folder=folder, device="cpu", eyes=eyes_of(home),
)
"""
"""Trains in a process of its own, and dies at a step."""

CLASSES = ("plain", "spot", "stripes")


def drawn(label: str, generator: np.random.Generator) -> np.ndarray:
    """A grey noisy surface, plain, striped or with one bright spot."""
    image = generator.normal(110, 18, (40, 40))
    if label == "stripes":
        image += 45 * np.sin(np.arange(40) * 1.3 + generator.uniform(0, 6))[:, None]
    if label == "spot":
        y, x = generator.integers(5, 30, 2)
        image[y : y + 6, x : x + 6] += 90
    return np.repeat(image.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def surfaces(home: Path, count: int, classes: tuple[str, ...] = CLASSES) -> ImageIndex:
    """`count` images in `home`, classes in turn; of four rounds two are train, one val, one test."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(count):
        label = classes[number % len(classes)]
        cv2.imwrite(str(home / f"{number}.png"), drawn(label, generator))
        split = ("train", "val", "train", "test")[number // len(classes) % 4]
        rows.append(
            {"path": f"{number}.png", "image_id": f"{number:03d}", "label": label, "split": split}
        )
    return ImageIndex.from_rows(home, rows)


def taught(home: Path, count: int = 48) -> Path:
    """`home` with surfaces (`index.parquet`), their features and a teacher."""
    index = surfaces(home, count)
    features = extract_features(index, TEACHER, store=Store(home / "s"), seed=0, device="cpu")
    index.save(home / "index.parquet")
    features.save(home)
    train_teacher(index, features, TEACHER, seed=0).teacher.save(home)
    return home


def eyes_of(home: Path) -> Eyes:
    """Those that made the features of `taught`."""
    return Eyes(TEACHER, Store(home / "s"), 0, "cpu")


def trained(
    home: Path,
    folder: Path,
    config: StudentConfig = CONFIG,
    seed: int = 3,
    pixels: OpenPixels = open_pixels,
) -> StudentResult:
    index = ImageIndex.load(home / "index.parquet")
    features, teacher = Features.load(home), Teacher.load(home)
    return train_student(
        index,
        features,
        teacher,
        config,
        seed=seed,
        folder=folder,
        device="cpu",
        pixels=pixels,
        eyes=eyes_of(home),
    )


def killed_at(home: Path, folder: Path, step: int, config: StudentConfig = CONFIG) -> None:
    command = [
        sys.executable,
        "-c",
        CHILD,
        str(home),
        str(folder),
        config.model_dump_json(),
        str(step),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
