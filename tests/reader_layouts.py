"""A small clean data set per annotation format: six images of two classes, every label from the format itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (40, 32)


def picture(seed: int, size: tuple[int, int] = SIZE, mode: str = "RGB") -> Image.Image:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def save(path: Path, image: Image.Image, kind: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, format=kind)
    return path


def folder_layout(root: Path) -> None:
    for label in ("good", "scratch"):
        for i in range(3):
            save(root / label / f"{label} {i}.png", picture(i))


def mask_layout(root: Path) -> None:
    for label in ("MT_Free", "MT_Crack"):
        for i in range(3):
            save(root / label / "Imgs" / f"exp{i}.jpg", picture(i))
            mask = np.zeros(SIZE[::-1], np.uint8)
            mask[4:9, 5:12] = 255 * (label == "MT_Crack")
            save(root / label / "Imgs" / f"exp{i}.png", Image.fromarray(mask))


def voc_xml(name: str, *boxes: tuple[str, object, object, object, object]) -> str:
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
        f"<ymax>{d}</ymax></bndbox></object>"
        for label, a, b, c, d in boxes
    )
    return f"<annotation><filename>{name}</filename>{objects}</annotation>"


def voc_layout(root: Path) -> None:
    (root / "annotations").mkdir(parents=True)
    for label in ("crazing", "patches"):
        for i in range(3):
            save(root / "images" / f"{label}_{i}.jpg", picture(i))
            text = voc_xml(f"{label}_{i}.jpg", (label, 1, 2, 20, 30), ("patches", 3, 3, 6, 6))
            (root / "annotations" / f"{label}_{i}.xml").write_text(text)


LAYOUTS = {"folder": folder_layout, "mask_pairs": mask_layout, "voc": voc_layout}
