"""From an index to a matrix: one vector per usable image, from the cache where it can be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from deploy.edge.files import write_json, written_aside
from deploy.edge.spec import Preprocessing
from inspection.config import TeacherConfig
from inspection.data.index import ImageIndex
from inspection.features.backbone import Backbone, BackboneInfo, load_backbone
from inspection.features.cache import FeatureCache
from inspection.features.device import resolve_device, use_own_cores
from inspection.features.images import read_batch
from inspection.progress import Advance, bar
from inspection.store import Store

SHARD = 256
"""Images per shard of the cache: what a kill may cost."""


@dataclass(frozen=True, eq=False)
class Features:
    """One row of `matrix` (N, D) float32 per distinct image id, and the network that made them."""

    image_ids: tuple[str, ...]
    matrix: npt.NDArray[np.float32]
    backbone: BackboneInfo

    def rows(self, image_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """The vectors of these images, in this order; KeyError for an image without one."""
        place = {name: row for row, name in enumerate(self.image_ids)}
        return self.matrix[[place[name] for name in image_ids]]

    def save(self, folder: Path) -> None:
        """Write `features.safetensors` and `features.json` into `folder`."""
        with written_aside(folder / "features.safetensors") as aside:
            save_file({"matrix": self.matrix}, aside)
        document = {"image_ids": self.image_ids, "backbone": json.loads(self.backbone.to_json())}
        write_json(folder / "features.json", document)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        document = json.loads((folder / "features.json").read_bytes())
        backbone = BackboneInfo.from_json(json.dumps(document["backbone"]).encode())
        matrix = load_file(folder / "features.safetensors")["matrix"]
        return cls(tuple(document["image_ids"]), matrix, backbone)


def teacher_preprocessing(info: BackboneInfo) -> Preprocessing:
    """How the teacher's images are cut to size: the whole image, stretched."""
    return Preprocessing(info.image_size, info.image_size, "stretch")


def extract_features(
    index: ImageIndex, config: TeacherConfig, *, store: Store, seed: int, device: str = "auto"
) -> Features:
    """Features of every usable image of `index`; what is cached is not computed again."""
    use_own_cores()
    backbone = load_backbone(config, seed=seed, device=str(resolve_device(device)))
    frame = index.usable().frame
    files = {
        str(name): index.root / path
        for name, path in zip(frame["image_id"], frame["path"], strict=True)
    }
    cache = FeatureCache(store.features, _recipe(backbone.info))
    found = cache.read(list(files))
    missing = {name: path for name, path in files.items() if name not in found}
    found.update(_compute(backbone, missing, cache, config.batch_size))
    size = (0, backbone.embedding_size)
    matrix = np.stack([found[name] for name in files]) if files else np.empty(size, np.float32)
    return Features(tuple(files), matrix, backbone.info)


def _recipe(info: BackboneInfo) -> dict[str, object]:
    """All that a vector depends on besides the image."""
    return {
        "weights": info.weights_digest,
        "backbone": info.name,
        "pooling": info.pooling,
        "image_size": info.image_size,
        "pad_same": info.pad_same,
        "mean": info.mean,
        "std": info.std,
        "resize": teacher_preprocessing(info).resize,
    }


def _compute(
    backbone: Backbone, files: dict[str, Path], cache: FeatureCache, batch_size: int
) -> dict[str, npt.NDArray[np.float32]]:
    names = list(files)
    found: dict[str, npt.NDArray[np.float32]] = {}
    if not names:
        return found
    with bar("teacher features", len(names)) as advance:
        for start in range(0, len(names), SHARD):
            shard = names[start : start + SHARD]
            matrix = _embed(backbone, [files[name] for name in shard], batch_size, advance)
            cache.write(shard, matrix)
            found.update(zip(shard, matrix, strict=True))
    return found


def _embed(
    backbone: Backbone, paths: list[Path], batch_size: int, advance: Advance
) -> npt.NDArray[np.float32]:
    preprocessing = teacher_preprocessing(backbone.info)
    blocks = []
    for first in range(0, len(paths), batch_size):
        batch = paths[first : first + batch_size]
        blocks.append(backbone.embed(read_batch(batch, preprocessing)))
        for _ in batch:
            advance("")
    return np.concatenate(blocks)
