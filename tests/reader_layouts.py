"""A small clean data set per annotation format: six images of two classes, every label from the format itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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


def two_classes(root: Path) -> list[str]:
    """Files of three images each of `crack` and `dent`, in both suffixes."""
    names = [f"crack_{i}.jpg" for i in range(3)] + [f"dent_{i}.png" for i in range(3)]
    for i, name in enumerate(names):
        save(root / "images" / name, picture(i % 3))
    return names


def coco_document(names: list[str]) -> dict[str, Any]:
    """Per image a box of its own class; the first one has a polygon too, the last one run lengths."""
    boxes: list[dict[str, Any]] = [
        {"id": i, "image_id": i, "category_id": 1 + i // 3, "bbox": [2, 3, 20, 10], "iscrowd": 0}
        for i in range(len(names))
    ]
    boxes[0]["segmentation"] = [[2, 3, 22, 3, 22, 13, 2, 13]]
    boxes[5]["segmentation"] = {"size": [32, 40], "counts": [5, 10, 1265]}
    return {
        "images": [
            {"id": i, "file_name": name, "width": SIZE[0], "height": SIZE[1]}
            for i, name in enumerate(names)
        ],
        "categories": [{"id": 1, "name": "crack"}, {"id": 2, "name": "dent"}],
        "annotations": boxes,
    }


def coco_layout(root: Path) -> None:
    document = coco_document(two_classes(root))
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train.json").write_text(json.dumps(document))


def yolo_layout(root: Path) -> None:
    (root / "labels").mkdir(parents=True)
    for name in two_classes(root):
        number = 0 if name.startswith("crack") else 1
        text = f"{number} 0.5 0.5 0.5 0.25\n1 0.1 0.1 0.3 0.1 0.3 0.2\n"
        (root / "labels" / name).with_suffix(".txt").write_text(text)
    (root / "data.yaml").write_text("names: [crack, dent]\ntrain: images\n")


def severstal_layout(root: Path) -> None:
    """Class 1 for the first three images, both classes for the rest."""
    lines = ["ImageId,ClassId,EncodedPixels"]
    for i, name in enumerate(two_classes(root)):
        lines += [f"{name},1,1 3 40 5"] + [f"{name},2,100 60"] * (i >= 3)
    (root / "train.csv").write_text("\n".join(lines) + "\n")


def index_mask_layout(root: Path) -> None:
    """Class 1 for the first three images, both classes for the rest, some of it not judged."""
    for i, name in enumerate(two_classes(root)):
        mask = np.zeros(SIZE[::-1], np.uint8)
        mask[2:5, 3:9] = 1
        mask[10:20, 5:12] = 2 * (i >= 3)
        mask[25:27] = 255
        save((root / "masks" / name).with_suffix(".png"), Image.fromarray(mask))


def template_layout(root: Path) -> None:
    """Three pairs as DeepPCB keeps them."""
    (root / "group1" / "001_not").mkdir(parents=True)
    for i in range(3):
        save(root / "group1" / "001" / f"001{i}_temp.png", picture(i))
        save(root / "group1" / "001" / f"001{i}_test.jpg", picture(i))
        (root / "group1" / "001_not" / f"001{i}.txt").write_text("2 3 12 13 1\n20 3 24 6 4\n")


def manifest_layout(root: Path) -> None:
    """Labels, and a box and a region on the first image."""
    lines = ["path,label,boxes,regions"]
    for i, name in enumerate(two_classes(root)):
        drawn = ","
        if i == 0:
            boxes = [{"x0": 1, "y0": 2.5, "x1": 9, "y1": 8, "label": "crack"}]
            regions = [{"label": "crack", "counts": [5, 10, 1265]}]
            cells = (json.dumps(each).replace('"', '""') for each in (boxes, regions))
            drawn = ",".join(f'"{cell}"' for cell in cells)
        lines.append(f"images/{name},{name.split('_')[0]},{drawn}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")


LAYOUTS = {
    "folder": folder_layout,
    "mask_pairs": mask_layout,
    "voc": voc_layout,
    "coco": coco_layout,
    "yolo": yolo_layout,
    "severstal": severstal_layout,
    "index_masks": index_mask_layout,
    "template_pairs": template_layout,
    "manifest": manifest_layout,
}
