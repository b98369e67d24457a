"""Image files through the backbone as fast as it multiplies: decoding runs beside the arithmetic.

On a CPU each core takes whole batches, decodes and embeds them with one torch thread: no core waits at the end of every
layer for the others, as torch's own threads do. On a GPU one thread prepares the next batches on all cores while the
device works. Out of memory halves the batch, says so and goes on.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from deploy.edge.spec import Preprocessing
from inspection.errors import UserError
from inspection.features.backbone import Backbone, BackboneInfo
from inspection.features.images import read_batch, read_pixels
from inspection.features.memory import CPU_MOST, fitting_batch_size
from inspection.features.orientation import UPRIGHT, seen_in
from inspection.parallel import in_order

Matrix = npt.NDArray[np.float32]
BatchSize = int | Literal["auto"]

CPU_REFUSALS = ("DefaultCPUAllocator", "not enough memory", "can't allocate memory")
"""torch has an error class for a GPU without memory, but not for a CPU."""


class Forward:
    """`backbone.embed` of at most `limit` images at a time; threads may share one."""

    def __init__(self, backbone: Backbone, limit: int) -> None:
        self.backbone = backbone
        self.limit = limit
        self._lock = threading.Lock()

    def __call__(self, images: npt.NDArray[np.uint8]) -> Matrix:
        """Vectors (N, D) of uint8 images (N, S, S, 3); UserError when not even one fits the memory."""
        blocks: list[Matrix] = []
        first = 0
        while first < len(images):
            part = images[first : first + self.limit]
            vectors = self._tried(part)
            if vectors is None:
                self._halve(len(part))
            else:
                blocks.append(vectors)
                first += len(part)
        return np.concatenate(blocks)

    def _tried(self, part: npt.NDArray[np.uint8]) -> Matrix | None:
        """None when memory ran out: what the error's frames hold is free before the next try."""
        try:
            return self.backbone.embed(part)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            return None

    def _halve(self, tried: int) -> None:
        name, size = self.backbone.name, self.backbone.image_size
        if tried == 1:
            raise UserError(
                f"out of memory with a single image of {size} x {size} pixels in '{name}': "
                "set a smaller teacher.image_size or teacher.backbone, or free memory"
            )
        if self.backbone.device.type == "cuda":
            torch.cuda.empty_cache()
        with self._lock:
            if self.limit < tried:
                return  # another thread has said it
            self.limit = tried // 2
            print(
                f"teacher features: out of memory with {tried} images at once in '{name}', going on with {self.limit}",
                file=sys.stderr,
                flush=True,
            )


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch or NumPy means that memory ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in CPU_REFUSALS)


def teacher_preprocessing(info: BackboneInfo) -> Preprocessing:
    """How the teacher's images are cut to size: the whole image, stretched."""
    return Preprocessing(info.image_size, info.image_size, "stretch")


def embed_files(
    backbone: Backbone, paths: Sequence[Path], batch_size: BatchSize, view: int = UPRIGHT
) -> Iterator[Matrix]:
    """Vectors of image files in one view, in order, in blocks (n, D); ImageError for a file that cannot be read."""
    if not paths:
        return iter(())
    threads = torch.get_num_threads()
    most = fitting_batch_size(backbone, threads) if batch_size == "auto" else batch_size
    if backbone.device.type == "cpu":
        return _on_cores(backbone, paths, most, threads, view)
    return _on_device(backbone, paths, most, view)


def _on_cores(
    backbone: Backbone, paths: Sequence[Path], most: int, threads: int, view: int
) -> Iterator[Matrix]:
    """At most `most` images at once over all threads together."""
    each = min(math.ceil(min(most, len(paths)) / threads), CPU_MOST)
    preprocessing = teacher_preprocessing(backbone.info)
    forward = Forward(backbone, each)

    def work(batch: Sequence[Path]) -> Matrix:
        torch.set_num_threads(1)  # of this thread and of those that start later
        pixels = [read_pixels(path, preprocessing) for path in batch]
        return forward(seen_in(view, np.stack(pixels)))

    with _threads_kept(threads):
        yield from in_order(work, _batches(paths, each), workers=threads)


def _on_device(backbone: Backbone, paths: Sequence[Path], most: int, view: int) -> Iterator[Matrix]:
    preprocessing = teacher_preprocessing(backbone.info)
    forward = Forward(backbone, most)

    def read(batch: Sequence[Path]) -> npt.NDArray[np.uint8]:
        return seen_in(view, read_batch(batch, preprocessing))

    yield from map(forward, in_order(read, _batches(paths, most), workers=1))


def _batches(paths: Sequence[Path], size: int) -> list[Sequence[Path]]:
    return [paths[first : first + size] for first in range(0, len(paths), size)]


@contextmanager
def _threads_kept(threads: int) -> Iterator[None]:
    try:
        yield
    finally:
        torch.set_num_threads(threads)
