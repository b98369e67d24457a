"""What an engine answers for every image of an index: decoded and prepared by the device's own code.

Covered: each file is still the one that was indexed (its hash is the row's `image_id`). Not covered: quarantined rows;
pass an index without them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.edge.bundle import Bundle
from deploy.edge.decode import decode
from deploy.edge.engines.base import Engine, Outputs
from deploy.edge.engines.registry import open_engine
from deploy.edge.files import sha256_bytes
from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Preprocessing
from deploy.edge.statistics import image_statistics
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.evaluation.metrics import Evaluation, evaluate
from inspection.parallel import in_order

Float32 = npt.NDArray[np.float32]

BATCH = 32
READERS = 2
"""Threads that decode ahead; OpenCV lets go of the interpreter while it works."""


@dataclass(frozen=True)
class Answers:
    """One engine's outputs over an index, aligned with its rows.

    `probabilities` (N, C), `embedding` (N, D), `statistics` (N, K: `deploy.edge.statistics.STATISTICS`), all float32.
    """

    image_ids: tuple[str, ...]
    labels: tuple[str, ...]
    probabilities: Float32
    embedding: Float32
    statistics: Float32


def read_indexed(path: Path, image_id: str, max_megapixels: float = 100.0) -> npt.NDArray[np.uint8]:
    """Decoded pixels (H, W, 3) of a file, if it is still the file that was indexed."""
    if not path.is_file():
        raise DataError(f"'{path}' is gone since it was indexed: put it back or run again")
    data = path.read_bytes()
    if sha256_bytes(data) != image_id:
        raise DataError(f"'{path}' has changed since it was indexed: run again to index it anew")
    return decode(data, max_megapixels=max_megapixels).pixels


def answer(
    index: ImageIndex,
    preprocessing: Preprocessing,
    engines: Mapping[str, Engine],
    *,
    max_megapixels: float = 100.0,
) -> dict[str, Answers]:
    """Ask every engine for every row; each file is read and prepared once for all of them."""
    if len(index) == 0:
        raise DataError("there is no image to ask a model about: the split is empty")
    outputs: dict[str, list[Outputs]] = {name: [] for name in engines}
    statistics: list[Float32] = []
    for images, numbers in _batches(index, preprocessing, max_megapixels):
        statistics.append(numbers)
        for name, engine in engines.items():
            outputs[name].append(engine.run(images))
    return {name: _gather(index, outputs[name], np.concatenate(statistics)) for name in engines}


def evaluate_rows(
    name: str,
    index: ImageIndex,
    probabilities: npt.NDArray[np.floating[Any]],
    classes: Sequence[str],
    *,
    test_digest: str,
) -> Evaluation:
    """Score `probabilities` (N, C), one row per row of `index` in its order."""
    return evaluate(
        name,
        _texts(index.frame["label"]),
        probabilities,
        classes,
        image_ids=_texts(index.frame["image_id"]),
        test_digest=test_digest,
    )


def evaluate_bundle(
    bundle: Bundle,
    index: ImageIndex,
    *,
    name: str,
    classes: Sequence[str],
    test_digest: str,
    max_megapixels: float = 100.0,
) -> Evaluation:
    """How a finished bundle does on the rows of `index`, run as the device runs it.

    `classes` are those of today's data. A class the bundle never learned gets probability 0, so its images count as
    errors; a class that only the bundle knows is added at the end.
    """
    manifest = bundle.manifest
    plan = manifest.plan("onnxruntime")
    graph = bundle.graph(plan.variant)
    engine = open_engine("onnxruntime", graph, threads=plan.threads, spinning=plan.spinning)
    asked = {"bundle": engine}
    answers = answer(index, manifest.preprocessing, asked, max_megapixels=max_megapixels)["bundle"]
    names = (*classes, *(known for known in manifest.classes if known not in classes))
    spread = np.zeros((len(answers.labels), len(names)), dtype=np.float32)
    spread[:, [names.index(known) for known in manifest.classes]] = answers.probabilities
    return evaluate_rows(name, index, spread, names, test_digest=test_digest)


def _batches(
    index: ImageIndex, preprocessing: Preprocessing, max_megapixels: float
) -> Iterator[tuple[npt.NDArray[np.uint8], Float32]]:
    def prepare(row: tuple[Path, str]) -> tuple[npt.NDArray[np.uint8], tuple[float, ...]]:
        pixels = read_indexed(*row, max_megapixels)
        return preprocess(pixels, preprocessing), image_statistics(pixels).values()

    rows = iter(zip(index.paths, index.frame["image_id"], strict=True))
    prepared = in_order(prepare, rows, workers=READERS)
    while chunk := list(itertools.islice(prepared, BATCH)):
        images, numbers = zip(*chunk, strict=True)
        yield np.stack(images), np.array(numbers, dtype=np.float32)


def _gather(index: ImageIndex, outputs: list[Outputs], statistics: Float32) -> Answers:
    return Answers(
        image_ids=_texts(index.frame["image_id"]),
        labels=_texts(index.frame["label"]),
        probabilities=np.concatenate([part.probabilities for part in outputs]),
        embedding=np.concatenate([part.embedding for part in outputs]),
        statistics=statistics,
    )


def _texts(column: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in column)
