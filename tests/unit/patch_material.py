"""Small pictures, masks, index rows, and reading back what was cut from them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.files import sha256_file
from inspection.data.index import ImageIndex
from inspection.data.patches import PatchReport
from inspection.data.shapes import Region

Picture = npt.NDArray[np.uint8]
SHAPE = (80, 100)


def save(path: Path, pixels: Picture) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)
    return path


def surface(seed: int, shape: tuple[int, int] = SHAPE) -> Picture:
    return np.random.default_rng(seed).integers(90, 160, (*shape, 3), dtype=np.uint8)


def marked(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = SHAPE) -> Picture:
    mask = np.zeros(shape, np.uint8)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = 255
    return mask


def region(label: str, *boxes: tuple[int, int, int, int]) -> dict[str, Any]:
    return dataclasses.asdict(Region.of(label, marked(*boxes) > 0))


def box(label: str, *sides: float) -> dict[str, Any]:
    return dict(zip(("x0", "y0", "x1", "y1"), map(float, sides), strict=True), label=label)


def row(path: str, label: str | None, **more: object) -> dict[str, Any]:
    return {"path": path, "label": label, "width": SHAPE[1], "height": SHAPE[0], **more}


def index_of(root: Path, *rows: dict[str, Any]) -> ImageIndex:
    for seed, each in enumerate(rows):
        if not (root / each["path"]).exists():
            save(root / each["path"], surface(seed, (each["height"], each["width"])))
    return ImageIndex.from_rows(root, list(rows))


def rows_of(report: PatchReport) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        ImageIndex.load(report.folder / "index.parquet").table().to_pylist()
    )
    return found


def told(report: PatchReport) -> dict[str, Any]:
    return dict(json.loads((report.folder / "patches.json").read_bytes()))


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
