"""Images as the network will see them on the device: decoded and preprocessed by the edge's own functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deploy.edge.decode import read_image
from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Preprocessing
from inspection.parallel import in_order

Pixels = npt.NDArray[np.uint8]

ANY_SIZE = 1e5
"""Megapixels. Ingest has already refused what is too large by the run's own limit."""


def read_pixels(path: Path, preprocessing: Preprocessing) -> Pixels:
    """One image as uint8 RGB (height, width, 3)."""
    decoded = read_image(path, max_megapixels=ANY_SIZE)
    return preprocess(decoded.pixels, preprocessing)


def read_batch(paths: Sequence[Path], preprocessing: Preprocessing) -> Pixels:
    """Images as uint8 RGB (N, height, width, 3), in order, decoded on all cores (OpenCV frees the interpreter)."""
    shape = (len(paths), preprocessing.height, preprocessing.width, 3)
    batch = np.empty(shape, dtype=np.uint8)

    def fill(row: int) -> None:
        batch[row] = read_pixels(paths[row], preprocessing)

    for _ in in_order(fill, range(len(paths))):
        pass
    return batch
