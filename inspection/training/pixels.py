"""Preprocessed images on tap: all in memory when they fit, read again per batch when they do not."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import torch

from deploy.edge.spec import Preprocessing
from inspection.features.images import read_batch
from inspection.progress import bar

MEMORY_BYTES = 10**9
"""Above this, images are decoded anew for each batch."""
READ_AT_ONCE = 64
AHEAD = 2
"""Batches read before they are needed."""


class PixelSource(Protocol):
    """Images by position."""

    def take(self, positions: torch.Tensor) -> torch.Tensor:
        """uint8 (len(positions), H, W, 3)."""
        ...


class InMemory:
    """All images decoded once, uint8 (N, H, W, 3)."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def take(self, positions: torch.Tensor) -> torch.Tensor:
        """The images at `positions`."""
        return self.images[positions]


class FromDisk:
    """Images decoded each time they are asked for."""

    def __init__(self, paths: Sequence[Path], preprocessing: Preprocessing) -> None:
        self.paths = tuple(paths)
        self.preprocessing = preprocessing

    def take(self, positions: torch.Tensor) -> torch.Tensor:
        """The images at `positions`."""
        paths = [self.paths[position] for position in positions.tolist()]
        return torch.from_numpy(read_batch(paths, self.preprocessing))


class ReadAhead:
    """Images of announced batches are decoded while the network is busy with the one before; the same images.

    At most `AHEAD` + 2 batches wait in memory; one that was not announced is read when it is asked for.
    """

    def __init__(self, source: PixelSource) -> None:
        self.source = source
        self._pool = ThreadPoolExecutor(1)  # decoding itself uses all cores
        self._waiting: dict[bytes, Future[torch.Tensor]] = {}

    def announce(self, positions: torch.Tensor) -> None:
        """Begin to read what will be taken soon."""
        key = _key(positions)
        if key in self._waiting:
            return
        # Left behind by an epoch that began anew.
        while len(self._waiting) >= AHEAD + 2:
            self._waiting.pop(next(iter(self._waiting))).cancel()
        self._waiting[key] = self._pool.submit(self.source.take, positions)

    def take(self, positions: torch.Tensor) -> torch.Tensor:
        """The images at `positions`."""
        coming = self._waiting.pop(_key(positions), None)
        return self.source.take(positions) if coming is None else coming.result()


def _key(positions: torch.Tensor) -> bytes:
    return positions.numpy().tobytes()


class OpenPixels(Protocol):
    """Makes a source of the images of `paths`; `what` names them beside the progress bar."""

    def __call__(
        self, paths: Sequence[Path], preprocessing: Preprocessing, *, what: str
    ) -> PixelSource: ...


class SharedPixels:
    """`open_pixels` for several trainings on the same images: decoded once, and again only for another size."""

    def __init__(self) -> None:
        self._preprocessing: Preprocessing | None = None
        self._open: dict[tuple[Path, ...], PixelSource] = {}

    def __call__(
        self, paths: Sequence[Path], preprocessing: Preprocessing, *, what: str
    ) -> PixelSource:
        """The source that was opened before, if all is the same."""
        if preprocessing != self._preprocessing:
            self._preprocessing, self._open = preprocessing, {}
        if (key := tuple(paths)) not in self._open:
            self._open[key] = open_pixels(paths, preprocessing, what=what)
        return self._open[key]


def open_pixels(
    paths: Sequence[Path],
    preprocessing: Preprocessing,
    *,
    what: str,
    memory_bytes: int = MEMORY_BYTES,
) -> PixelSource:
    """The images of `paths`, in memory when they take at most `memory_bytes`."""
    source = FromDisk(paths, preprocessing)
    if len(paths) * preprocessing.height * preprocessing.width * 3 > memory_bytes:
        return source
    images = torch.empty(
        len(paths), preprocessing.height, preprocessing.width, 3, dtype=torch.uint8
    )
    with bar(f"{what} images", len(paths)) as advance:
        for block in torch.split(torch.arange(len(paths)), READ_AT_ONCE):
            images[block] = source.take(block)
            for _ in block:
                advance("")
    return InMemory(images)
