"""What is said of two copies of one picture, and in what it differs: label, boxes, masks.

Covered: equal pictures must be described equally (to a hundredth of a pixel); shifted or turned copies must be
described alike: every marked pixel within `REACH` of one marked on the other. Not covered: boxes of turned copies, of
which only the number of each class is compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.decode import read_image
from deploy.edge.errors import ImageError
from inspection.data.fingerprints import SYMMETRIES, view_of
from inspection.data.index import ImageIndex, plain
from inspection.data.shapes import Region, marked
from inspection.data.unlabelled import UNLABELLED

REACH = 6
"""Pixels by which people's marks on two copies may lie apart."""
OUTSIDE = 0.05
"""Share of the marked pixels that may lie further apart."""

Row = Mapping[str, Any]
Mask = npt.NDArray[np.bool_]
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Descriptions:
    """What an index says of its images, by path."""

    root: Path
    rows: Mapping[str, Row]
    mask_threshold: int = 128

    @classmethod
    def of(cls, index: ImageIndex, mask_threshold: int = 128) -> Descriptions:
        """All of them."""
        names = [
            "path",
            "label",
            "label_source",
            "boxes",
            "regions",
            "mask_path",
            "pair_id",
            "height",
            "width",
        ]
        rows = index.frame[names].to_dict("records")
        return cls(
            index.root,
            {str(row["path"]): {str(k): v for k, v in row.items()} for row in rows},
            mask_threshold,
        )

    def label(self, path: str) -> str | None:
        """The image's label."""
        label = plain(self.rows[path]["label"])
        return None if label is None else str(label)

    def paired(self, path: str) -> bool:
        """Whether the image belongs to another, as a template does."""
        return plain(self.rows[path]["pair_id"]) is not None

    def unlabelled(self, path: str) -> bool:
        """Whether the image is meant to have no label, so that nothing is said of it."""
        return self.label(path) is None and self.rows[path]["label_source"] == UNLABELLED

    def comparable(self, paths: Sequence[str]) -> list[Sequence[str]]:
        """Those of which something is said, and the unlabelled ones, each where there are several."""
        parts = [[path for path in paths if self.unlabelled(path) is of] for of in (False, True)]
        return [part for part in parts if len(part) > 1]

    def disagreement(
        self, first: str, second: str, *, symmetry: str = SYMMETRIES[0], exact: bool = False
    ) -> tuple[str, ...]:
        """In what the two descriptions differ; empty when they agree."""
        a, b = self.rows[first], self.rows[second]
        reach = 0 if exact else REACH
        found = []
        if self.label(first) != self.label(second):
            found.append("label")
        turned = SYMMETRIES.index(symmetry)
        if not _boxes_agree(_boxes(a), _boxes(b), reach, turned=turned > 0):
            found.append("boxes")
        if not _masks_agree(self._masks(a), self._masks(b), reach, turned):
            found.append("masks")
        return tuple(found)

    def _masks(self, row: Row) -> dict[str, Mask]:
        """Marked pixels by class; those of a mask file, which knows none, under an empty name."""
        height, width = int(row["height"]), int(row["width"])
        found: dict[str, Mask] = {}
        for region in row["regions"]:
            label = str(region["label"])
            mask = Region(label, tuple(map(int, region["counts"]))).mask(height, width)
            found[label] = found.get(label, np.zeros_like(mask)) | mask
        name = plain(row["mask_path"])
        if name is not None and not found:
            found[""] = self._mask_file(str(name), (height, width))
        return {label: mask for label, mask in found.items() if mask.any()}

    def _mask_file(self, name: str, shape: tuple[int, int]) -> Mask:
        """Nothing is marked by a file that cannot be read: ingestion has told of it."""
        try:
            pixels = read_image(self.root / name).pixels
        except ImageError:
            return np.zeros(shape, bool)
        return marked(pixels, self.mask_threshold)


def _boxes(row: Row) -> list[tuple[str, Corners]]:
    return [
        (
            str(box["label"]),
            (float(box["x0"]), float(box["y0"]), float(box["x1"]), float(box["y1"])),
        )
        for box in row["boxes"]
    ]


def _boxes_agree(
    first: list[tuple[str, Corners]], second: list[tuple[str, Corners]], reach: int, *, turned: bool
) -> bool:
    """Every box has a partner of its class whose corners lie within reach."""
    if Counter(label for label, _ in first) != Counter(label for label, _ in second):
        return False
    if turned:
        return True
    left = list(second)
    for label, corners in first:
        near = [
            other
            for other in left
            if other[0] == label and _apart(corners, other[1]) <= max(reach, 0.01)
        ]
        if not near:
            return False
        left.remove(min(near, key=lambda other: _apart(corners, other[1])))
    return True


def _apart(first: Corners, second: Corners) -> float:
    return max(abs(a - b) for a, b in zip(first, second, strict=True))


def _masks_agree(
    first: Mapping[str, Mask], second: Mapping[str, Mask], reach: int, symmetry: int
) -> bool:
    if first.keys() != second.keys():
        return False
    for label, mask in first.items():
        other = view_of(second[label], symmetry)
        if reach == 0 and not np.array_equal(mask, other):
            return False
        height, width = min(mask.shape[0], other.shape[0]), min(mask.shape[1], other.shape[1])
        a, b = mask[:height, :width], other[:height, :width]
        if reach and not (_covered(a, b, reach) and _covered(b, a, reach)):
            return False
    return True


def _covered(inner: Mask, outer: Mask, reach: int) -> bool:
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    wide = cv2.dilate(outer.astype(np.uint8), kernel) > 0
    return int((inner & ~wide).sum()) <= OUTSIDE * max(1, int(inner.sum()))
