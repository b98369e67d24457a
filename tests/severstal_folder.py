"""A generated data set in Severstal's shape: steel strips, and a CSV of run lengths down the columns."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

HEIGHT, WIDTH = 96, 240
CLASSES = (1, 2, 3, 4)


def severstal(folder: Path, *, images: int, seed: int = 0) -> Path:
    """`folder`/train_images/*.jpg and `folder`/train.csv; every image has two defects of one class."""
    rng = np.random.default_rng(seed)
    (folder / "train_images").mkdir(parents=True)
    rows = [("ImageId", "ClassId", "EncodedPixels")]
    for number in range(images):
        label = CLASSES[number % len(CLASSES)]
        steel, mask = _strip(rng, label)
        name = f"{number:05}.jpg"
        cv2.imwrite(str(folder / "train_images" / name), steel, [cv2.IMWRITE_JPEG_QUALITY, 95])
        rows.append((name, str(label), run_lengths(mask)))
    with (folder / "train.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder


def run_lengths(mask: np.ndarray) -> str:
    """Pairs of start (from 1, down the columns) and length."""
    flat = np.concatenate([[0], mask.ravel(order="F"), [0]])
    starts, ends = np.flatnonzero(np.diff(flat) == 1), np.flatnonzero(np.diff(flat) == -1)
    return " ".join(f"{start + 1} {end - start}" for start, end in zip(starts, ends, strict=True))


def _strip(rng: np.random.Generator, label: int) -> tuple[np.ndarray, np.ndarray]:
    noise = cv2.GaussianBlur(rng.normal(0, 30, (HEIGHT, WIDTH)), (0, 0), 1.5)
    steel = 120 + noise + 12 * np.sin(np.arange(WIDTH) / rng.uniform(5, 40))[None]
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for left in (0, WIDTH // 2):
        x, y = int(left + rng.integers(30, WIDTH // 2 - 30)), int(rng.integers(30, HEIGHT - 30))
        mark = np.zeros_like(mask)
        if label == 1:
            cv2.circle(mark, (x, y), 7, 1, -1)
        elif label == 2:
            cv2.line(mark, (x - 14, y), (x + 14, y), 1, 3)
        elif label == 3:
            cv2.line(mark, (x, y - 14), (x, y + 14), 1, 3)
        else:
            cv2.rectangle(mark, (x - 12, y - 9), (x + 12, y + 9), 1, 3)
        mask |= mark
    return np.clip(steel + np.where(mask > 0, 75, 0), 0, 255).astype(np.uint8), mask
