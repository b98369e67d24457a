"""Real training images that tell a quantiser how large activations are, and the proof that they are what they claim.

Covered: images of another split, images that are in no index, pixels that are not those of the files. Not covered: a
train split that does not look like the line; the certificate measures that on the test images.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Preprocessing
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.evaluation.answers import read_indexed

DEFAULT_COUNT = 128
MIN_COUNT = 16
"""With fewer, one odd image sets every scale."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Preprocessed `images` uint8 (N, H, W, 3), the ids of their files, and how many there are of each class.

    `digest` is `calibration_digest` of ids and pixels; `preprocessing` is what made the pixels, so that
    `check_calibration` can make them again.
    """

    images: Pixels
    image_ids: tuple[str, ...]
    digest: str
    counts: Mapping[str, int]
    preprocessing: Preprocessing

    def __len__(self) -> int:
        return len(self.image_ids)


def calibration_images(
    index: ImageIndex,
    preprocessing: Preprocessing,
    *,
    count: int = DEFAULT_COUNT,
    max_megapixels: float = 100.0,
) -> Calibration:
    """Up to `count` labelled train images, classes in turn, the same ones for the same data.

    DataError if `count` or the train split is below 16.
    """
    if count < MIN_COUNT:
        raise DataError(f"calibration needs at least {MIN_COUNT} images, {count} were asked for")
    rows = _candidates(index)[:count]
    if len(rows) < MIN_COUNT:
        raise DataError(
            f"calibration needs at least {MIN_COUNT} labelled train images, "
            f"the data have {len(rows)}: add images or label more"
        )
    files = [(index.root / row["path"], str(row["image_id"])) for row in rows]
    pixels = _read(files, preprocessing, max_megapixels)
    ids = tuple(image_id for _, image_id in files)
    counts = Counter(str(row["label"]) for row in rows)
    return Calibration(
        images=pixels,
        image_ids=ids,
        digest=calibration_digest(ids, pixels),
        counts=dict(sorted(counts.items())),
        preprocessing=preprocessing,
    )


def calibration_digest(image_ids: Sequence[str], images: Pixels) -> str:
    """SHA-256 over the ids in order, the shape, and every pixel."""
    digest = hashlib.sha256("\n".join(image_ids).encode())
    digest.update(repr(images.shape).encode())
    digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()


def check_calibration(
    calibration: Calibration, index: ImageIndex, *, max_megapixels: float = 100.0
) -> None:
    """DataError unless every image is a train image of `index` and its pixels are made again from its file."""
    _check_form(calibration)
    paths = _train_paths(calibration, index)
    files = [(paths[image_id], image_id) for image_id in calibration.image_ids]
    found = _read(files, calibration.preprocessing, max_megapixels)
    if not np.array_equal(found, calibration.images):
        wrong = int((found != calibration.images).any(axis=(1, 2, 3)).sum())
        raise DataError(
            f"calibration images must be what their files hold: the pixels of {wrong} of {len(found)} "
            "do not match the files of the index; choose them with calibration_images"
        )


def _check_form(calibration: Calibration) -> None:
    """Ids, pixels and digest belong together."""
    images, ids, spec = calibration.images, calibration.image_ids, calibration.preprocessing
    if len(ids) < MIN_COUNT or len(set(ids)) != len(ids):
        raise DataError(
            f"calibration needs at least {MIN_COUNT} different images, it has {len(set(ids))}: "
            "choose them with calibration_images"
        )
    expected = (len(ids), spec.height, spec.width, 3)
    if images.dtype != np.uint8 or images.shape != expected:
        raise DataError(
            f"calibration images must be uint8 {expected}, they are {images.dtype} {images.shape}: "
            "choose them with calibration_images"
        )
    if calibration_digest(ids, images) != calibration.digest:
        raise DataError(
            "the calibration's digest does not match its ids and pixels: they were changed since, "
            "choose them again with calibration_images"
        )


def _train_paths(calibration: Calibration, index: ImageIndex) -> dict[str, Path]:
    """The file of each id; DataError for the first kind of id that may not calibrate."""
    wanted = set(calibration.image_ids)
    frame = index.usable().frame
    known = frame[frame["image_id"].isin(wanted)]
    _refuse(wanted - set(known["image_id"]), "are not from the index")
    for split in ("test", "val"):
        held_out = set(known.loc[known["split"] == split, "image_id"])
        _refuse(held_out, f"are in the {split} split")
    train = known[known["split"] == "train"]
    _refuse(wanted - set(train["image_id"]), "are in no split")
    pairs = zip(train["image_id"], train["path"], strict=True)
    return {str(image_id): index.root / str(path) for image_id, path in pairs}


def _refuse(ids: set[str], where: str) -> None:
    if ids:
        raise DataError(
            f"only train images of the index may calibrate: {len(ids)} {where} "
            f"(such as {min(ids)[:12]}); choose them with calibration_images"
        )


def _candidates(index: ImageIndex) -> list[dict[str, Any]]:
    """Labelled train images, one of every class in turn, ordered by a hash of their ids.

    A byte copy of a held-out image is that image: it does not calibrate.
    """
    frame = index.usable().frame
    held_out = set(frame.loc[frame["split"].isin(["val", "test"]), "image_id"])
    train = index.split("train").frame[["image_id", "path", "label"]]
    train = train[~train["image_id"].isin(held_out)]
    known = train.drop_duplicates("image_id").dropna(subset="label")
    by_class: dict[str, list[dict[str, Any]]] = {}
    for row in known.to_dict(orient="records"):
        by_class.setdefault(str(row["label"]), []).append({str(k): v for k, v in row.items()})
    queues = [sorted(by_class[label], key=_shuffled) for label in sorted(by_class)]
    longest = max((len(queue) for queue in queues), default=0)
    return [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]


def _shuffled(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"calibration {row['image_id']}".encode()).hexdigest()


def _read(
    files: Sequence[tuple[Path, str]], preprocessing: Preprocessing, max_megapixels: float
) -> Pixels:
    return np.stack(
        [
            preprocess(read_indexed(path, image_id, max_megapixels), preprocessing)
            for path, image_id in files
        ]
    )
