"""Golden images: a few real inputs and what the certified graph answered, for the device to repeat at every start.

Each is stored as decoded pixels (PNG, lossless): no JPEG decoder stands between the device and the expected answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from deploy.edge.bundle import Golden
from deploy.edge.engines.base import Engine, Outputs
from deploy.edge.errors import PlumblineError
from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Preprocessing
from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.evaluation.answers import read_indexed

MIN_GOLDEN = 16
MAX_GOLDEN = 64
MAX_SIDE = 1024
"""Larger images are cut to their middle: a bundle is carried over thin lines."""
TOLERANCE = 1e-3
"""Largest change of a probability on another machine: another CPU's FP32, and resizing off by a grey level."""
MIN_MARGIN = 10 * TOLERANCE

Pixels = npt.NDArray[np.uint8]


def choose_golden(
    index: ImageIndex,
    preprocessing: Preprocessing,
    engine: Engine,
    *,
    others: Sequence[Engine] = (),
    max_megapixels: float = 100.0,
) -> Golden:
    """At least 16 images, test images first, classes in turn, the same ones for the same data.

    Near ties are passed over while there are others: an image whose label hangs on the last bits proves nothing. So
    are images that one of `others`, the graph in lower precision, calls something else.
    """
    candidates = _candidates(index)
    wanted = min(MAX_GOLDEN, max(MIN_GOLDEN, 2 * len(index.classes)))
    if len(candidates) < MIN_GOLDEN:
        raise DataError(
            f"a bundle carries {MIN_GOLDEN} golden images, the data have {len(candidates)} usable: add images"
        )
    clear: list[tuple[Pixels, Outputs]] = []
    tied: list[tuple[Pixels, Outputs]] = []
    for row in candidates[: 3 * wanted]:
        pixels = _middle(
            read_indexed(index.root / row["path"], row["image_id"], max_megapixels), MAX_SIDE
        )
        batch = preprocess(pixels, preprocessing)[None]
        outputs = engine.run(batch)
        agreed = all(_label(other.run(batch)) == _label(outputs) for other in others)
        shelf = clear if agreed and _margin(outputs) >= MIN_MARGIN else tied
        shelf.append((pixels, outputs))
        if len(clear) == wanted:
            break
    chosen = [*clear, *tied][:wanted]
    return Golden(
        pixels=tuple(pixels for pixels, _ in chosen),
        outputs=_stack([outputs for _, outputs in chosen]),
    )


def encode_png(pixels: Pixels) -> bytes:
    """Lossless PNG of RGB `pixels`."""
    fine, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not fine:
        raise PlumblineError(f"OpenCV could not encode an image of shape {pixels.shape} as PNG")
    return data.tobytes()


def _candidates(index: ImageIndex) -> list[dict[str, Any]]:
    """Test, then val, then train; within each, one image of every class in turn, ordered by a hash of its id."""
    rows: list[dict[str, Any]] = []
    for split in ("test", "val", "train"):
        by_class: dict[str, list[dict[str, Any]]] = {}
        part = index.split(split).frame[["image_id", "path", "label"]]
        # Byte copies share an id; one of them is enough.
        known = part.drop_duplicates("image_id").dropna(subset="label")
        for row in known.to_dict(orient="records"):
            by_class.setdefault(str(row["label"]), []).append({str(k): v for k, v in row.items()})
        queues = [sorted(by_class[label], key=_shuffled) for label in sorted(by_class)]
        rows += _in_turn(queues)
    return rows


def _shuffled(row: dict[str, Any]) -> str:
    return hashlib.sha256(f"golden {row['image_id']}".encode()).hexdigest()


def _in_turn(queues: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    longest = max((len(queue) for queue in queues), default=0)
    return [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]


def _middle(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def _label(outputs: Outputs) -> int:
    return int(outputs.probabilities[0].argmax())


def _margin(outputs: Outputs) -> float:
    last_two = np.sort(outputs.probabilities[0])[-2:]
    return float(last_two[1] - last_two[0])


def _stack(parts: Sequence[Outputs]) -> Outputs:
    return Outputs(
        probabilities=np.concatenate([part.probabilities for part in parts]),
        embedding=np.concatenate([part.embedding for part in parts]),
    )
