"""What the drift benchmark looks at: every image as it is and with each fault, seen once and kept in a folder.

The embedding is MobileNetV2's at 160 px with public weights, which has learned from no image here, brought to 384
numbers by a random projection. The probabilities are a linear probe's, cross-fitted over five folds of whole groups:
no image is judged by a probe that has learned from its group, and all images are treated alike, so that random halves
stay exchangeable. A class held out is unknown to the probe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedGroupKFold

from data_checks.contradictions import quarantine_contradictions
from data_checks.drift_reference import DriftReference
from data_checks.duplicates import group_duplicates
from deploy.edge.decode import read_image
from deploy.edge.preprocess import preprocess
from deploy.edge.statistics import image_statistics
from inspection.config import ChecksConfig, DataConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.learning_config import TeacherConfig
from inspection.store import Store

ROOT = Path(__file__).resolve().parents[1]
ASSETS = Path(os.environ.get("PLUMBLINE_TEST_ASSETS", ROOT.parent / "shared"))
SIZE = 160
FOLDS = 5
PROJECTED = 384
SHRINKAGE = 0.3
DATA = {
    "neu_det": DataConfig(
        kind="voc", root=ASSETS / "data" / "neu_det", label_pattern=r"^(.+)_\d+$"
    ),
    "magnetic_tile": DataConfig(
        kind="mask_pairs", root=ASSETS / "data" / "magnetic_tile", ok_class="MT_Free"
    ),
}
Pixels = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def darker(pixels: Pixels) -> Pixels:
    return np.asarray((pixels * 0.8).round(), np.uint8)


def blurred(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1.5), np.uint8)


def compressed(pixels: Pixels) -> Pixels:
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 40])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def moved(pixels: Pixels, border: int) -> Pixels:
    """8 pixels to the right and turned by 3 degrees."""
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 3.0, 1.0)
    turn[0, 2] += 8.0
    return np.asarray(cv2.warpAffine(pixels, turn, (width, height), borderMode=border), np.uint8)


AS_IT_IS = "as it is"
FAULTS: Mapping[str, Callable[[Pixels], Pixels]] = {
    AS_IT_IS: lambda pixels: pixels,
    "exposure -20 %": darker,
    "Gaussian blur, sigma 1.5": blurred,
    "JPEG, quality 40": compressed,
    "camera moved, mirrored edge": lambda pixels: moved(pixels, cv2.BORDER_REFLECT_101),
    "camera moved, dark edge": lambda pixels: moved(pixels, cv2.BORDER_CONSTANT),
}


@dataclass(frozen=True)
class Material:
    """One set: `labels`, `groups` (N,); per fault `statistics` (N, K), `embedding` (N, D), `probabilities` (N, C)."""

    classes: tuple[str, ...]
    labels: Labels
    groups: Labels
    statistics: Mapping[str, Matrix]
    embedding: Mapping[str, Matrix]
    probabilities: Mapping[str, Matrix]

    def sample(self, fault: str, rows: Labels, *, grouped: bool = False) -> DriftReference:
        """What a device would have logged of these rows; with their groups as a reference."""
        return DriftReference(
            self.statistics[fault][rows],
            self.probabilities[fault][rows],
            self.embedding[fault][rows],
            self.groups[rows] if grouped else None,
        )


def material(name: str, cache: Path) -> tuple[Material, dict[str, Material]]:
    """The set, and the same once more for each class held out of the probe (of Magnetic-tile: each defect)."""
    file = cache / f"{name}.npz"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        seen: dict[str, Any] = _seen(grouped(DATA[name], cache))
        np.savez(file, **seen)
    found = np.load(file, allow_pickle=False)
    classes, labels, groups = found["classes"].tolist(), found["labels"], found["groups"]
    statistics = {fault: found[f"statistics/{fault}"] for fault in FAULTS}
    wide = _scaled({fault: found[f"embedding/{fault}"] for fault in FAULTS})
    rng = np.random.default_rng(0)
    way = rng.normal(size=(wide[AS_IT_IS].shape[1], PROJECTED)) / np.sqrt(PROJECTED)
    embedding = {fault: (vectors @ way).astype(np.float32) for fault, vectors in wide.items()}

    def judged(held: str | None) -> Material:
        known = tuple(one for one in classes if one != held)
        kept = np.isin(labels, [classes.index(one) for one in known])
        said = _probe(embedding, labels, groups, kept)
        return Material(known, labels, groups, statistics, embedding, said)

    held_out = [one for one in classes if one != DATA[name].ok_class]
    return judged(None), {one: judged(one) for one in held_out}


def _scaled(embedding: Mapping[str, Matrix]) -> dict[str, Matrix]:
    mean, spread = embedding[AS_IT_IS].mean(axis=0), embedding[AS_IT_IS].std(axis=0)
    spread = np.where(spread > 1e-6, spread, np.inf)
    return {fault: (vectors - mean) / spread for fault, vectors in embedding.items()}


def _probe(
    embedding: Mapping[str, Matrix], labels: Labels, groups: Labels, known: npt.NDArray[np.bool_]
) -> dict[str, Matrix]:
    """Probabilities of the known classes for every image and fault, never by a probe that knows the image's group."""
    classes = len(np.unique(labels[known]))
    said = {fault: np.zeros((len(labels), classes), np.float32) for fault in embedding}
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for others, asked in folds.split(labels, labels, groups):
        learned = others[known[others]]
        probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
        probe.fit(embedding[AS_IT_IS][learned], labels[learned])
        for fault, vectors in embedding.items():
            said[fault][asked] = probe.predict_proba(vectors[asked])
    return said


def grouped(data: DataConfig, cache: Path) -> ImageIndex:
    """The usable images, near-copies in one group."""
    found = ingest(data, ChecksConfig(), store=Store(cache / "store"), seed=0)
    return group_duplicates(quarantine_contradictions(found))[0].usable()


def _seen(index: ImageIndex) -> dict[str, Any]:
    from inspection.features.backbone import load_backbone
    from inspection.features.forward import teacher_preprocessing

    weights = ASSETS / "weights" / "mobilenetv2_100.imagenet.safetensors"
    config = TeacherConfig(backbone="mobilenetv2_100", weights=str(weights), image_size=SIZE)
    backbone = load_backbone(config, seed=0)
    size = teacher_preprocessing(backbone.info)
    images = [read_image(path).pixels for path in index.paths]
    classes, labels = np.unique(index.frame["label"].to_numpy(str), return_inverse=True)
    groups = np.unique(index.frame["group"].to_numpy(str), return_inverse=True)[1]
    seen: dict[str, Any] = {
        "classes": classes,
        "labels": labels,
        "groups": groups,
    }
    for fault, change in FAULTS.items():
        changed = [change(pixels) for pixels in images]
        rows = [image_statistics(pixels).values() for pixels in changed]
        seen[f"statistics/{fault}"] = np.array(rows, np.float32)
        small = np.stack([preprocess(pixels, size) for pixels in changed])
        blocks = [backbone.embed(small[i : i + 16]) for i in range(0, len(small), 16)]
        seen[f"embedding/{fault}"] = np.concatenate(blocks)
        print(fault, flush=True)
    return seen
