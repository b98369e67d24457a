"""A generated data set that comes with its split: runs with other seeds are then measured on the same test images.

And a production line on it whose runs are over in seconds.
"""

from __future__ import annotations

import csv
from pathlib import Path

from inspection.config import SyntheticConfig
from inspection.data.synthetic import generate
from tests.cli_line import Line

PARTS = ("train", "train", "val", "test")
CONFIG = """
name: tiny
data: {{kind: manifest, root: {root}, ok_class: ok}}
checks: {{min_images_per_class: 4}}
teacher: {{backbone: resnet10t, weights: none, image_size: 64}}
gate: {{ways: []}}
"""


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


def tiny_line(folder: Path, sections: str, *, images_per_class: int) -> Line:
    """On such images below `folder`; `sections` of its YAML say how it splits, learns and watches."""
    root = split_manifest(folder / "images", images_per_class=images_per_class)
    return Line(folder, CONFIG.format(root=root) + sections)
