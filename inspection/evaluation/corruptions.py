"""What a line does to its pictures in a bad week: blur, too little light, noise, compression; models held against it.

Each is what it is on the camera's own pixels, before preprocessing, so models of different input sizes see the same
picture. The strengths are what a person notices and still inspects by.

Covered: a sample of the gate set, each class in its turn, the same images for every model. Not covered: what is made
worse slowly (dirt, wear), which drift watches for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.inspector import Inspector
from inspection.config import GateConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.answers import read_indexed
from inspection.evaluation.gate_evidence import Corrupted
from inspection.evaluation.paired import exact_p

Pixels = npt.NDArray[np.uint8]
BLUR_SIGMA = 1.5
"""Pixels of the stored image."""
EXPOSURE = 0.8
NOISE = 8.0
"""Grey levels, standard deviation."""
JPEG_QUALITY = 40


def blurred(pixels: Pixels) -> Pixels:
    """Out of focus: Gaussian, `BLUR_SIGMA`."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), BLUR_SIGMA), dtype=np.uint8)


def darkened(pixels: Pixels) -> Pixels:
    """A fifth less light."""
    return np.asarray(np.rint(pixels * EXPOSURE), dtype=np.uint8)


def noisy(pixels: Pixels) -> Pixels:
    """A sensor turned up; the noise is drawn from a fixed seed, so that it is the same for every model."""
    noise = np.random.default_rng(0).normal(0, NOISE, pixels.shape)
    return np.asarray(np.clip(np.rint(pixels + noise), 0, 255), dtype=np.uint8)


def compressed(pixels: Pixels) -> Pixels:
    """JPEG of quality `JPEG_QUALITY`, and back."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), quality)
    restored = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.asarray(cv2.cvtColor(restored, cv2.COLOR_BGR2RGB), dtype=np.uint8)


CORRUPTIONS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "blur": blurred,
    "darkness": darkened,
    "noise": noisy,
    "JPEG": compressed,
}


def corrupted_answers(
    index: ImageIndex,
    challenger: Inspector,
    champion: Inspector | None,
    groups: Mapping[str, str],
    config: GateConfig,
    *,
    max_megapixels: float = 100.0,
) -> tuple[Corrupted, ...]:
    """Both bundles, run as the device runs them, on up to `corruption_images` rows of `index` under each corruption."""
    sample = each_class_in_turn(index, config.corruption_images)
    if len(sample) == 0:
        return ()
    models = [challenger, *([champion] if champion else [])]
    right = np.zeros((len(CORRUPTIONS), len(models), len(sample)), dtype=np.int64)
    frame = sample.frame
    rows = zip(sample.paths, frame["image_id"], frame["label"], strict=True)
    for i, (path, image_id, label) in enumerate(rows):
        pixels = read_indexed(path, str(image_id), max_megapixels)
        for k, corrupt in enumerate(CORRUPTIONS.values()):
            seen = corrupt(pixels)
            right[k, :, i] = [model.verdict(seen).label == label for model in models]
    things = [groups.get(str(image), str(image)) for image in frame["image_id"]]
    units = np.unique(things, return_inverse=True)[1]
    return tuple(_counted(name, right[k], units) for k, name in enumerate(CORRUPTIONS))


def each_class_in_turn(index: ImageIndex, count: int) -> ImageIndex:
    """At most `count` rows: every class' first by content hash, then every class' second, and so on."""
    frame = index.frame.sort_values(["image_id", "path"])
    turn = frame.groupby("label").cumcount()
    chosen = frame.assign(turn=turn).sort_values(["turn", "label", "image_id"]).index[:count]
    return index.where(index.frame.index.isin(chosen))


def _counted(name: str, right: npt.NDArray[np.int64], units: npt.NDArray[np.int64]) -> Corrupted:
    hits = [int(row.sum()) for row in right]
    if len(hits) == 1:
        return Corrupted(name, right.shape[1], hits[0])
    lost = np.bincount(units, weights=right[1] - right[0]).astype(np.int64)
    return Corrupted(name, right.shape[1], hits[0], hits[1], exact_p(lost, greater=True))
