"""The frozen test images as a device needs them to certify itself, and where they lie in the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Preprocessing
from deploy.export.archives import npz_bytes
from inspection.data.index import ImageIndex
from inspection.evaluation.answers import Answers, read_indexed
from inspection.store import Store

SETS = ".certification"
"""Beside the bundles, one file per digest."""


def set_bytes(
    test: ImageIndex, preprocessing: Preprocessing, reference: Answers, max_megapixels: float
) -> bytes:
    """An .npz of every row of `test`, prepared, with the trained model's answers; equal inputs give equal bytes."""
    rows = zip(test.paths, test.frame["image_id"], strict=True)
    images = [
        preprocess(read_indexed(path, str(image_id), max_megapixels), preprocessing)
        for path, image_id in rows
    ]
    return npz_bytes(
        images=np.stack(images),
        probabilities=reference.probabilities,
        labels=np.array(reference.labels),
        image_ids=np.array(reference.image_ids),
    )


def set_file(store: Store, digest: str) -> Path:
    """Where the set of a bundle lies."""
    return store.bundles / SETS / f"{digest}.npz"
