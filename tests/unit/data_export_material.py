"""An index with every way to have boxes, regions and masks, and what is said of its images when it is read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inspection.config import ChecksConfig, DataConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.shapes import Region
from inspection.store import Store
from tests.reader_layouts import SIZE, picture, save

WIDTH, HEIGHT = SIZE


def read(root: Path, kind: str, **more: object) -> ImageIndex:
    """The index of a folder, as `plumbline data import` makes it."""
    config = DataConfig.model_validate({"kind": kind, "root": root, **more})
    return ingest(config, ChecksConfig(), store=Store(root / "store"), seed=0)


def region(label: str, x0: int, y0: int, x1: int, y1: int) -> dict[str, Any]:
    """A filled rectangle as an index holds it; its right and lower sides are outside."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return {"label": label, "counts": list(Region.of(label, mask).counts)}


def box(label: str, *sides: float) -> dict[str, Any]:
    """A box as an index holds it, sides in pixels."""
    return dict(zip(("x0", "y0", "x1", "y1"), map(float, sides), strict=True), label=label)


def row(path: str, label: str | None, **more: object) -> dict[str, Any]:
    """One image of an index."""
    return {"path": path, "label": label, "width": WIDTH, "height": HEIGHT, **more}


def drawn_index(root: Path) -> ImageIndex:
    """Every way to have boxes and regions, with image files below `images/` to read back with."""
    rows = [
        row("images/b.png", "dent", boxes=[box("dent", 1, 2, 9, 8)]),
        row("images/a/both.png", "dent", boxes=[box("crack", 0, 0, 3, 3), box("dent", 1.25, 2, 9, 8.5)],
            regions=[region("dent", 1, 2, 9, 8), region("crack", 20, 20, 30, 30)]),
        row("images/region.png", "stain", regions=[region("crack", 5, 5, 7, 9)]),
        row("images/good.png", "fine", split="train", group="g1"),
        row("images/none.png", None),
        row("images/bad.png", "dent", quarantine="truncated", boxes=[box("dent", 1, 2, 9, 8)]),
    ]  # fmt: skip
    for seed, each in enumerate(rows):
        save(root / each["path"], picture(seed))
    return ImageIndex.from_rows(root, rows)


def said(index: ImageIndex, *columns: str) -> dict[str, list[Any]]:
    """These columns of every usable image, by its path."""
    return {
        each["path"]: [each[name] for name in columns]
        for each in index.usable().table().to_pylist()
    }


def masked_index(root: Path, label: str | None, **more: object) -> ImageIndex:
    """One image with a mask of two parts."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[2:5, 3:9] = mask[20:24, 30:36] = 255
    save(root / "m.png", Image.fromarray(mask))
    save(root / "a.jpg", picture(1))
    return ImageIndex.from_rows(root, [row("a.jpg", label, mask_path="m.png", **more)])
