"""What every device runtime is to the rest of the house: uint8 images in, probabilities and embeddings out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from deploy.edge.errors import EngineError

INPUT = "image"
PROBABILITIES = "probabilities"
EMBEDDING = "embedding"


@dataclass(frozen=True)
class Outputs:
    """`probabilities` float32 (N, C), calibrated; `embedding` float32 (N, D)."""

    probabilities: npt.NDArray[np.float32]
    embedding: npt.NDArray[np.float32]


class Engine(Protocol):
    """A graph ready to run; one instance serves one thread."""

    @property
    def name(self) -> str:
        """Key of this runtime in `ENGINES`."""
        ...

    def run(self, images: npt.NDArray[np.uint8]) -> Outputs:
        """Outputs for preprocessed images, uint8 RGB (N, H, W, 3) at the graph's size."""
        ...

    def describe(self) -> dict[str, Any]:
        """Runtime, version, threads, input size and where the graph really runs; JSON-able."""
        ...


Prove = Callable[[Engine], float]
"""Runs the golden images through an engine: the largest change of a probability, or an error."""


def check_images(images: npt.NDArray[np.uint8], height: int, width: int) -> None:
    """EngineError unless `images` is what the graph contract asks for."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (height, width, 3):
        raise EngineError(
            f"the graph takes uint8 (N, {height}, {width}, 3), got {images.dtype} {images.shape}: "
            "preprocess the images first"
        )
    if not len(images):
        raise EngineError("the batch is empty: pass at least one image")
