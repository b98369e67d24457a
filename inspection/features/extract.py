"""From an index to a matrix: one vector per usable image, from the cache where it can be."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from deploy.edge.files import write_json, written_aside
from inspection.data.index import ImageIndex
from inspection.features.backbone import Backbone, BackboneInfo, load_backbone
from inspection.features.cache import FeatureCache
from inspection.features.device import resolve_device, use_own_cores
from inspection.features.forward import embed_files, teacher_preprocessing
from inspection.features.known import KnownBackbones
from inspection.features.on_ray import embed_on_ray
from inspection.features.orientation import UPRIGHT
from inspection.learning_config import TeacherConfig
from inspection.progress import Advance, bar
from inspection.store import Store

__all__ = ["SHARD", "Features", "compute_features", "extract_features", "teacher_preprocessing"]

Matrix = npt.NDArray[np.float32]
Row = npt.NDArray[np.float32]
"""One vector (D,)."""

SHARD = 256
"""Images per shard of the cache: what a kill may cost."""
WORK = "teacher features"
"""What the progress bar calls it."""


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


def extract_features(
    index: ImageIndex,
    config: TeacherConfig,
    *,
    store: Store,
    seed: int,
    device: str = "auto",
    view: int = UPRIGHT,
    what: str = WORK,
) -> Features:
    """Features of every usable image of `index`, seen in `view`; what is cached is not computed again.

    When all of it is cached, no image is opened and no network built: ids come from the index.
    """
    use_own_cores()
    where = str(resolve_device(device))
    files = _files(index)
    names = list(files)
    known = KnownBackbones(store.features / "backbones")
    info = known.find(config, seed=seed, device=where)
    if info is None:
        matrix, there = np.empty((len(names), 0), np.float32), np.zeros(len(names), bool)
    else:
        matrix, there = _cached(store, info, names, view)
    if info is None or not there.all():
        backbone = load_backbone(config, seed=seed, device=where)
        known.keep(config, backbone.info, seed=seed, device=where)
        if backbone.info != info:
            info = backbone.info
            matrix, there = _cached(store, info, names, view)
        rows = {names[row]: int(row) for row in np.flatnonzero(~there)}
        missing = {name: index.root / files[name] for name in rows}
        made = compute_features(
            backbone, missing, config, store=store, seed=seed, view=view, what=what
        )
        for name, row in rows.items():
            matrix[row] = made[name]
    return Features(tuple(names), matrix, info)


def compute_features(
    backbone: Backbone,
    files: Mapping[str, Path],
    config: TeacherConfig,
    *,
    store: Store,
    seed: int,
    view: int = UPRIGHT,
    what: str = WORK,
) -> dict[str, Row]:
    """Vectors of these images by id, computed whether cached or not, and cached."""
    if not files:
        return {}
    if config.features_engine == "ray":
        device = str(backbone.device)
        blocks = embed_on_ray(files, config, backbone.info, seed=seed, device=device, view=view)
    else:
        blocks = _embedded_here(backbone, files, config, view)
    cache = FeatureCache(store.features, _recipe(backbone.info, view))
    with bar(what, len(files)) as advance:
        return _kept(blocks, cache, len(files), advance)


def _files(index: ImageIndex) -> dict[str, str]:
    """Where each distinct image lies, relative to the index's root."""
    frame = index.usable().frame
    return dict(zip(frame["image_id"].tolist(), frame["path"].tolist(), strict=True))


def _cached(
    store: Store, info: BackboneInfo, names: Sequence[str], view: int
) -> tuple[Matrix, npt.NDArray[np.bool_]]:
    """Vectors in rows as `names`, and which rows the cache knew; the others hold nothing of meaning."""
    matrix = np.empty((len(names), info.embedding_size), np.float32)
    return matrix, FeatureCache(store.features, _recipe(info, view)).fill(matrix, names)


def _recipe(info: BackboneInfo, view: int) -> dict[str, object]:
    """All that a vector depends on besides the image.

    Upright is not said: vectors from before there were views stay known.
    """
    return {
        **({"view": view} if view != UPRIGHT else {}),
        "weights": info.weights_digest,
        "backbone": info.name,
        "pooling": info.pooling,
        "image_size": info.image_size,
        "pad_same": info.pad_same,
        "mean": info.mean,
        "std": info.std,
        "resize": teacher_preprocessing(info).resize,
    }


def _embedded_here(
    backbone: Backbone, files: Mapping[str, Path], config: TeacherConfig, view: int
) -> Iterator[tuple[list[str], Matrix]]:
    """Image ids and their vectors, in blocks."""
    names = iter(files)
    for block in embed_files(backbone, list(files.values()), config.batch_size, view):
        yield list(itertools.islice(names, len(block))), block


def _kept(
    blocks: Iterator[tuple[list[str], Matrix]], cache: FeatureCache, total: int, advance: Advance
) -> dict[str, Row]:
    """All vectors, written to the cache a shard at a time."""
    found: dict[str, Row] = {}
    shard: dict[str, Row] = {}
    for names, matrix in blocks:
        shard.update(zip(names, matrix, strict=True))
        for _ in names:
            advance("")
        if len(shard) >= SHARD or len(found) + len(shard) == total:
            cache.write(list(shard), np.stack(list(shard.values())))
            found.update(shard)
            shard = {}
    return found
