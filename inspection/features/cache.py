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

    def fill(self, matrix: Matrix, image_ids: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Put the vectors that are there into their rows of `matrix` (N, D); which rows (N,) that were."""
        rows = {name: row for row, name in enumerate(image_ids)}
        filled = np.zeros(len(image_ids), bool)
        for shard in sorted(self.folder.glob("[!.]*.safetensors")):  # not what is being written
            try:
                found = _fill_from(shard, matrix, rows)
            except SafetensorError:
                shard.unlink(missing_ok=True)
            else:
                filled[found] = True
        return filled

    def write(self, image_ids: Sequence[str], matrix: Matrix) -> None:
        """Add one shard of vectors (N, D); its name is the content of its ids."""
        name = hashlib.sha256("\n".join(image_ids).encode()).hexdigest()[:32]
        with written_aside(self.folder / f"{name}.safetensors") as aside:
            metadata = {"image_ids": json.dumps(list(image_ids))}
            save_file({"vectors": np.ascontiguousarray(matrix)}, aside, metadata=metadata)


def _fill_from(path: Path, matrix: Matrix, rows: Mapping[str, int]) -> list[int]:
    with safe_open(path, framework="np") as stream:
        ids = json.loads((stream.metadata() or {}).get("image_ids", "[]"))
        wanted = [(rows[name], place) for place, name in enumerate(ids) if name in rows]
        if not wanted:
            return []
        vectors: Matrix = stream.get_tensor("vectors")
    there, here = [row for row, _ in wanted], [place for _, place in wanted]
    matrix[there] = vectors[here]
    return there
