"""What every device runtime is to the rest of the house: uint8 images in, probabilities and embeddings out."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from deploy.edge.errors import BundleError, EngineError
from deploy.edge.spec import MOST_THREADS

INPUT = "image"
PROBABILITIES = "probabilities"
EMBEDDING = "embedding"
MAX_THREADS = 4
"""Small graphs gain nothing beyond; the line's other programs need the rest."""


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


def check_outputs(outputs: Outputs, count: int) -> Outputs:
    """The same, or EngineError unless both are float32 with `count` rows."""
    named = ((PROBABILITIES, outputs.probabilities), (EMBEDDING, outputs.embedding))
    for name, output in named:
        if output.ndim != 2 or len(output) != count or output.dtype != np.float32:
            raise EngineError(
                f"'{name}' is {output.dtype} {output.shape} for {count} images, must be float32 (N, size): "
                "export the model again"
            )
    return outputs


def check_contract(
    model: Path,
    inputs: Sequence[str],
    outputs: Collection[str],
    kind: str,
    shape: Sequence[object],
) -> tuple[int, int]:
    """Height and width of the input, once the graph is what the contract says.

    `kind` and `shape` of its first input; a side that is not fixed is anything but an int.
    """
    if list(inputs) != [INPUT]:
        raise BundleError(f"'{model}' takes {list(inputs)}, the graph contract says ['{INPUT}']")
    if missing := {PROBABILITIES, EMBEDDING} - set(outputs):
        raise BundleError(f"'{model}' gives {sorted(outputs)}, missing {sorted(missing)}")
    batch, height, width, channels = shape if len(shape) == 4 else (None,) * 4
    if (
        not isinstance(height, int)
        or not isinstance(width, int)
        or (kind, channels) != ("uint8", 3)
    ):
        raise BundleError(
            f"'{model}' takes {kind} {list(shape)}, the graph contract says uint8 [N, height, width, 3]"
        )
    if isinstance(batch, int):
        raise BundleError(f"'{model}' has a fixed batch of {batch}: export with a dynamic batch")
    return height, width


def used_threads(threads: int | None) -> int:
    """The number asked for, else the default; BundleError where a plan says nonsense."""
    used = threads if threads is not None else default_threads()
    if not 1 <= used <= MOST_THREADS:
        raise BundleError(f"threads must be 1 to {MOST_THREADS}, got {threads}")
    return used


def default_threads() -> int:
    """Cores this process may use, at most `MAX_THREADS`."""
    allowed = getattr(os, "sched_getaffinity", None)
    cores = len(allowed(0)) if allowed else os.cpu_count() or 1
    return min(MAX_THREADS, cores)
