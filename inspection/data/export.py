"""An image index in other tools' formats: COCO, YOLO, and a manifest table.

Covered: usable images, their boxes, regions and labels; the same index gives the same bytes; every file or folder is
whole or absent. Not covered: the images themselves (copy them), quarantined rows, grey masks (`mask_path`), splits in
COCO and YOLO (export `index.split(...)`), a power cut while a folder of labels is written.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import yaml

from deploy.edge.files import canonical_json, sync_folder, write_bytes
from inspection.data.index import ImageIndex
from inspection.data.readers.base import Box
from inspection.data.readers.yolo import label_place
from inspection.data.shapes import Mask, Region, boxes_of
from inspection.errors import DataError

NEAR = 2.0
"""Pixels between a region's own bounds and the box of the same object: polygons are drawn on centres or corners."""
DECIMALS = 10
"""Of a share in a YOLO file: 1e-5 px in an image of 100,000."""

Row = dict[str, Any]


@dataclass(frozen=True)
class _Object:
    """One drawn thing of a row: a box, a region, or both."""

    box: Box | None
    region: Region | None
    bounds: Box | None
    """Of the region."""

    @property
    def label(self) -> str:
        held = self.box or self.region
        assert held is not None
        return held.label


def to_coco(index: ImageIndex) -> dict[str, Any]:
    """A COCO document; a box and the region that fills it are one annotation.

    Other tools want a box for every annotation: a region without one gets its bounds, marked `bbox_derived`. An
    image's label stands in `images[].label`, for images without boxes the only place. Paths in order give the ids.
    """
    rows = _rows(index)
    objects = [_objects(row) for row in rows]
    labels = sorted({each.label for row in objects for each in row})
    numbers = {label: number for number, label in enumerate(labels, start=1)}
    annotations: list[dict[str, Any]] = []
    for image, drawn in enumerate(objects, start=1):
        for each in drawn:
            head = {"id": len(annotations) + 1, "image_id": image, "iscrowd": 0}
            size = rows[image - 1]["height"], rows[image - 1]["width"]
            annotations.append(
                {**head, "category_id": numbers[each.label], **_geometry(each, size)}
            )
    return {
        "images": [_image(row, number) for number, row in enumerate(rows, start=1)],
        "categories": [{"id": number, "name": label} for label, number in numbers.items()],
        "annotations": annotations,
    }


def write_coco(index: ImageIndex, path: Path) -> None:
    """`to_coco` as a file, whole or not at all."""
    write_bytes(path, canonical_json(to_coco(index)))


def to_yolo(index: ImageIndex, folder: Path) -> None:
    """Label files and `data.yaml` in `folder`, which must be new or empty; whole or not at all.

    `images/a/1.jpg` and `a/1.jpg` both get `labels/a/1.txt`: put the image at `images/a/1.jpg`. Regions become boxes,
    one for each connected part without a box of its own: an index keeps pixels, and no outline to write a polygon
    from. YOLO has no labels of images: an image without boxes gets an empty file, whatever its label.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"export: '{folder}' is not empty; give a new folder")
    texts, names = _yolo_texts(index)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for place, text in texts.items():
            (aside / place).parent.mkdir(parents=True, exist_ok=True)
            (aside / place).write_text(text, encoding="utf-8")
        named = {"train": "images", "val": "images", "names": dict(enumerate(names))}
        text = yaml.safe_dump(named, sort_keys=False, allow_unicode=True)
        (aside / "data.yaml").write_text(text, encoding="utf-8")
        aside.chmod(0o755)
        aside.replace(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def to_manifest(index: ImageIndex) -> pd.DataFrame:
    """Columns path, label, split, group, boxes and regions, by path; the last two as JSON text, empty for none."""
    columns = ("path", "label", "split", "group", "boxes", "regions")
    rows = [
        {name: _text(row[name]) if isinstance(row[name], list) else row[name] for name in columns}
        for row in _rows(index)
    ]
    return pd.DataFrame(rows, columns=list(columns), dtype=object)


def write_manifest(index: ImageIndex, path: Path) -> None:
    """`to_manifest` as a CSV file, whole or not at all."""
    text: str = to_manifest(index).to_csv(index=False, lineterminator="\n")
    write_bytes(path, text.encode())


def _text(values: list[Any]) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False) if values else ""


def _rows(index: ImageIndex) -> list[Row]:
    rows: list[Row] = index.usable().table().to_pylist()
    return sorted(rows, key=lambda row: str(row["path"]))


def _image(row: Row, number: int) -> dict[str, Any]:
    image = {"id": number, "file_name": row["path"], "width": row["width"], "height": row["height"]}
    return image if row["label"] is None else {**image, "label": row["label"]}


def _geometry(each: _Object, size: tuple[int, int]) -> dict[str, Any]:
    box = each.box or each.bounds
    assert box is not None
    found: dict[str, Any] = {
        "bbox": [box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0],
        "area": each.region.area if each.region else box.area,
        "segmentation": [],
    }
    if each.region is not None:
        found["segmentation"] = {"size": list(size), "counts": list(each.region.counts)}
        if each.box is None:
            found["bbox_derived"] = True
    return found


def _objects(row: Row) -> list[_Object]:
    """Boxes and regions in their order; each region joins the next box that has its label and bounds."""
    boxes = [Box(**box) for box in row["boxes"] or []]
    found: list[_Object] = []
    for stated in row["regions"] or []:
        region = Region(stated["label"], tuple(stated["counts"]))
        bounds = _bounds(region, row)
        match = next((i for i, box in enumerate(boxes) if _same(box, bounds)), None)
        own = None
        if match is not None:
            found += [_Object(box, None, None) for box in boxes[:match]]
            own, boxes = boxes[match], boxes[match + 1 :]
        found.append(_Object(own, region, bounds))
    return found + [_Object(box, None, None) for box in boxes]


def _same(box: Box, bounds: Box) -> bool:
    sides = ((box.x0, bounds.x0), (box.y0, bounds.y0), (box.x1, bounds.x1), (box.y1, bounds.y1))
    return box.label == bounds.label and all(abs(a - b) <= NEAR for a, b in sides)


def _mask(region: Region, row: Row) -> Mask:
    return region.mask(int(row["height"]), int(row["width"]))


def _bounds(region: Region, row: Row) -> Box:
    mask = _mask(region, row)
    x, y = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return Box(float(x[0]), float(y[0]), float(x[-1] + 1), float(y[-1] + 1), region.label)


def _yolo_texts(index: ImageIndex) -> tuple[dict[PurePosixPath, str], list[str]]:
    """The text of every label file by its place, and the class names by number."""
    rows = _rows(index)
    boxes = [list(_all_boxes(row)) for row in rows]
    names = sorted({box.label for found in boxes for box in found})
    texts: dict[PurePosixPath, str] = {}
    for row, found in zip(rows, boxes, strict=True):
        place = label_place(PurePosixPath(row["path"]))
        text = "".join(_line(box, row, names.index(box.label)) for box in found)
        if texts.setdefault(place, text) != text:
            raise DataError(
                f"export: '{row['path']}' shares the label file '{place}' with another image; "
                "rename one of them"
            )
    return texts, names


def _all_boxes(row: Row) -> Iterator[Box]:
    for each in _objects(row):
        if each.box is not None:
            yield each.box
        elif each.region is not None:
            for x0, y0, x1, y1 in boxes_of(_mask(each.region, row)):
                yield Box(x0, y0, x1, y1, each.label)


def _line(box: Box, row: Row, number: int) -> str:
    width, height = row["width"], row["height"]
    middle = (box.x0 + box.x1) / 2 / width, (box.y0 + box.y1) / 2 / height
    extent = (box.x1 - box.x0) / width, (box.y1 - box.y0) / height
    return f"{number} " + " ".join(f"{v:.{DECIMALS}f}" for v in (*middle, *extent)) + "\n"
