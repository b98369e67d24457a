"""An image index in other tools' formats: COCO and a manifest table (YOLO: `inspection/data/export_yolo.py`).

Covered: usable images, their boxes, regions, grey masks and labels; the same index gives the same bytes; a file is
whole or absent; what a format has no place for is counted. Not covered: the images themselves, quarantined rows.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from deploy.edge.files import canonical_json, write_bytes
from inspection.data.drawn_objects import (
    DrawnImage,
    Object,
    Row,
    drawn_images,
    is_grey_mask,
    usable_rows,
)
from inspection.data.index import SCHEMA, ImageIndex
from inspection.records import Record

MASK_THRESHOLD = 128
COLUMNS = (
    *("path", "label", "split", "group", "boxes", "regions"),
    *("mask_path", "pair_id", "session", "camera"),
)
"""Of a manifest."""
ABOUT_IMAGES = ("split", "group", "pair_id", "session", "camera", "line", "captured_at")
"""What an index knows of an image beside its label and marks."""
NAMELESS_MASK = "mask of an image without a label: a mark needs a class"


@dataclass(frozen=True)
class Written(Record):
    """What was written, and by what it was how many times of: things that the format has no place for."""

    images: int
    objects: dict[str, int]
    """By class."""
    lost: dict[str, int]
    notes: tuple[str, ...] = ()


def to_coco(index: ImageIndex, *, mask_threshold: int = MASK_THRESHOLD) -> dict[str, Any]:
    """A COCO document; a box and the region that fills it are one annotation, and so is each part of a grey mask.

    Other tools want a box for every annotation: a region without one gets its bounds, marked `bbox_derived`. An
    image's label stands in `images[].label`, for images without boxes the only place. Paths in order give the ids.
    """
    return _document(drawn_images(index, mask_threshold=mask_threshold))


def write_coco(index: ImageIndex, path: Path, *, mask_threshold: int = MASK_THRESHOLD) -> Written:
    """`to_coco` as a file, whole or not at all."""
    images = drawn_images(index, mask_threshold=mask_threshold)
    write_bytes(path, canonical_json(_document(images)))
    lost = unsaid([image.row for image in images], ABOUT_IMAGES, "coco")
    notes = ("one file for each part: export with --part train, then val, then test",)
    return Written(
        len(images),
        by_class(images),
        {**lost, **nameless_masks(images)},
        notes if any(image.row["split"] for image in images) else (),
    )


def to_manifest(index: ImageIndex) -> pd.DataFrame:
    """Columns `COLUMNS`, by path; boxes and regions as JSON text, empty for none.

    `mask_path` is relative to the images' folder like `path`; masks of class numbers are in `regions`.
    """
    rows = [
        {name: _text(row[name]) if isinstance(row[name], list) else row[name] for name in COLUMNS}
        for row in _manifest_rows(index)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def write_manifest(index: ImageIndex, path: Path) -> Written:
    """`to_manifest` as a CSV file, or in a `.parquet` file with true lists; whole or not at all."""
    rows = _manifest_rows(index)
    if path.suffix.lower() == ".parquet":
        schema = pa.schema([SCHEMA.field(name) for name in COLUMNS])
        stream = io.BytesIO()
        kept = [{name: row[name] for name in COLUMNS} for row in rows]
        pq.write_table(pa.Table.from_pylist(kept, schema=schema), stream)
        write_bytes(path, stream.getvalue())
    else:
        text: str = to_manifest(index).to_csv(index=False, lineterminator="\n")
        write_bytes(path, text.encode())
    objects: dict[str, int] = {}
    for row in rows:
        for each in [*(row["boxes"] or []), *(row["regions"] or [])]:
            objects[each["label"]] = objects.get(each["label"], 0) + 1
    half = _half_split(rows)
    return Written(len(rows), objects, unsaid(rows, ("line", "captured_at"), "a manifest"), half)


def unsaid(rows: Sequence[Row], columns: Sequence[str], form: str) -> dict[str, int]:
    """By sentence, how many images have a value in a column that the format has no place for."""
    counts = {name: sum(row[name] is not None for row in rows) for name in columns}
    return {f"{name} of an image: {form} has no place for it": n for name, n in counts.items() if n}


def nameless_masks(images: Sequence[DrawnImage]) -> dict[str, int]:
    """The count of `NAMELESS_MASK`, where there are any."""
    count = sum(image.nameless_mask for image in images)
    return {NAMELESS_MASK: count} if count else {}


def by_class(images: Sequence[DrawnImage]) -> dict[str, int]:
    """How many objects of each class are drawn."""
    labels = [each.label for image in images for each in image.objects]
    return {label: labels.count(label) for label in sorted(set(labels))}


def _half_split(rows: Sequence[Row]) -> tuple[str, ...]:
    """The note that no reader takes a split which leaves labelled images out."""
    without = sum(row["split"] is None for row in rows if row["label"] is not None)
    if not without or not any(row["split"] for row in rows):
        return ()
    return (
        f"{without} images have a label and no split: plumbline data import refuses such a table; "
        "run plumbline data split first, or export with --part",
    )


def _manifest_rows(index: ImageIndex) -> list[Row]:
    return [row if is_grey_mask(row) else {**row, "mask_path": None} for row in usable_rows(index)]


def _text(values: list[Any]) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False) if values else ""


def _document(images: Sequence[DrawnImage]) -> dict[str, Any]:
    labels = sorted({each.label for image in images for each in image.objects})
    numbers = {label: number for number, label in enumerate(labels, start=1)}
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(images, start=1):
        for each in image.objects:
            head = {"id": len(annotations) + 1, "image_id": number, "iscrowd": 0}
            geometry = _geometry(each, image.size)
            annotations.append({**head, "category_id": numbers[each.label], **geometry})
    return {
        "images": [_image(image.row, number) for number, image in enumerate(images, start=1)],
        "categories": [{"id": number, "name": label} for label, number in numbers.items()],
        "annotations": annotations,
    }


def _image(row: Row, number: int) -> dict[str, Any]:
    image = {"id": number, "file_name": row["path"], "width": row["width"], "height": row["height"]}
    return image if row["label"] is None else {**image, "label": row["label"]}


def _geometry(each: Object, size: tuple[int, int]) -> Mapping[str, Any]:
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
