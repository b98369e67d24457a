"""A generated data set that comes with its split: runs with other seeds are then measured on the same test images."""

from __future__ import annotations

import csv
from pathlib import Path

from inspection.config import SyntheticConfig
from inspection.data.synthetic import generate

PARTS = ("train", "train", "val", "test")


def split_manifest(folder: Path, *, images_per_class: int = 24, size: int = 64) -> Path:
    """`folder`/{train,val,test}/<class>/*.jpg without copies, and `folder`/list.csv with the label of each."""
    plain = SyntheticConfig(
        images_per_class=images_per_class,
        size=size,
        near_duplicates=0.0,
        corrupt_files=0,
        label_conflicts=0,
    )
    made = folder.with_name(f"{folder.name}-made")
    rows = [("path", "label")]
    for label in generate(made, plain, seed=5).classes:
        for i, image in enumerate(sorted(made.glob(f"{label}/**/*.jpg"))):
            name = f"{PARTS[i % len(PARTS)]}/{label}/{image.name}"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            image.rename(folder / name)
            rows.append((name, label))
    with (folder / "list.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder
