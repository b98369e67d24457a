"""Feature vectors that are computed once per image, weights and preprocessing, whatever runs ask for them.

A folder per recipe, and in it append-only shards: a killed run loses at most one shard, two runs at once at worst
compute a vector twice. A shard that cannot be read is thrown away and computed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from deploy.edge.files import canonical_json, sha256_bytes, written_aside

Matrix = npt.NDArray[np.float32]


class FeatureCache:
    """Vectors by image id under one recipe; reading never creates anything."""

    def __init__(self, folder: Path, recipe: Mapping[str, object]) -> None:
        self.folder = folder / sha256_bytes(canonical_json(dict(recipe)))[:32]

    def read(self, image_ids: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """The vectors that are there, by image id."""
        wanted = set(image_ids)
        found: dict[str, npt.NDArray[np.float32]] = {}
        for shard in sorted(self.folder.glob("*.safetensors")):
            try:
                found.update(_read_shard(shard, wanted - found.keys()))
            except SafetensorError:
                shard.unlink(missing_ok=True)
        return found

    def write(self, image_ids: Sequence[str], matrix: Matrix) -> None:
        """Add one shard of vectors (N, D); its name is the content of its ids."""
        name = hashlib.sha256("\n".join(image_ids).encode()).hexdigest()[:32]
        with written_aside(self.folder / f"{name}.safetensors") as aside:
            metadata = {"image_ids": json.dumps(list(image_ids))}
            save_file({"vectors": np.ascontiguousarray(matrix)}, aside, metadata=metadata)


def _read_shard(path: Path, wanted: set[str]) -> dict[str, npt.NDArray[np.float32]]:
    with safe_open(path, framework="np") as stream:
        ids = json.loads((stream.metadata() or {}).get("image_ids", "[]"))
        if wanted.isdisjoint(ids):
            return {}
        vectors: Matrix = stream.get_tensor("vectors")
    return {name: vectors[row] for row, name in enumerate(ids) if name in wanted}
