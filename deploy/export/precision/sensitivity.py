"""Which layers INT8 hurts: each quantised alone, the rest FP32, and what that does to decisions on real images.

Covered: one layer, or one run of neighbouring layers of a large graph, at a time. Not covered: harm that only comes
from several layers together; the candidate as a whole is measured by the certificate.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from deploy.edge.engines.base import INPUT
from deploy.export.errors import ExportError
from deploy.export.onnx_graph import OUTPUTS
from deploy.export.precision.calibration import Calibration
from deploy.export.precision.int8 import Int8Report, Prepared, prepare
from deploy.export.precision.ranges import Pixels, batches
from deploy.export.precision.typed_graph import model_bytes

MAX_IMAGES = 64

Probabilities = npt.NDArray[np.float32]


class Quantise(Protocol):
    """`to_int8_tensorrt`, `to_int8_cpu`, or anything that quantises all layers but `exclude`."""

    def __call__(
        self, model: Prepared, calibration: Calibration, exclude: Collection[str] = ()
    ) -> tuple[onnx.ModelProto, Int8Report]:
        """The candidate and what became of each layer."""
        ...


@dataclass(frozen=True)
class LayerEffect:
    """What quantising only `nodes` does, against FP32 over `images`; both figures None if time ran out before."""

    nodes: tuple[str, ...]
    max_delta: float | None
    flips: int | None
    images: int

    @property
    def measured(self) -> bool:
        """False for what was left out."""
        return self.flips is not None

    def sentence(self) -> str:
        """One line for people."""
        name = self.nodes[0] if len(self.nodes) == 1 else f"{self.nodes[0]} … {self.nodes[-1]}"
        if self.max_delta is None:
            return f"{name}: left out, the time was up"
        return f"{name}: {self.flips} of {self.images} decisions change, probabilities by up to {self.max_delta:.4f}"


def layer_sensitivity(
    model: onnx.ModelProto | Prepared,
    calibration: Calibration,
    quantise: Quantise,
    limit: int = 64,
    *,
    max_seconds: float = 300.0,
    max_images: int = MAX_IMAGES,
    clock: Callable[[], float] = time.monotonic,
) -> list[LayerEffect]:
    """Effects by layer, worst first, those left out last; runs of neighbours where there are more than `limit`.

    Measured from both ends of the graph inwards: there layers are usually most sensitive, if time should run out.
    `max_seconds` covers preparation too, and a measurement that has begun is finished.
    """
    if limit < 1:
        raise ExportError(f"limit must be at least 1 group of layers, it is {limit}")
    began = clock()
    ready = model if isinstance(model, Prepared) else prepare(model, calibration)
    images = calibration.images[:max_images]
    reference = _probabilities(ready.model, images)
    effects = []
    for group in _inwards(_groups(ready.layers, limit)):
        if clock() - began > max_seconds:
            effects.append(LayerEffect(group, None, None, len(images)))
            continue
        others = [name for name in ready.layers if name not in group]
        candidate, _ = quantise(ready, calibration, others)
        effects.append(_effect(group, reference, _probabilities(candidate, images)))
    return sorted(effects, key=_worst_first)


def _effect(group: tuple[str, ...], reference: Probabilities, found: Probabilities) -> LayerEffect:
    return LayerEffect(
        nodes=group,
        max_delta=float(np.abs(found - reference).max()),
        flips=int((found.argmax(axis=1) != reference.argmax(axis=1)).sum()),
        images=len(reference),
    )


def _worst_first(effect: LayerEffect) -> tuple[bool, int, float, tuple[str, ...]]:
    return (
        not effect.measured,
        -(effect.flips or 0),
        -(effect.max_delta or 0.0),
        effect.nodes,
    )


def _groups(layers: Sequence[str], limit: int) -> list[tuple[str, ...]]:
    """At most `limit` runs of neighbours, as equal as can be."""
    edges = np.linspace(0, len(layers), min(limit, len(layers)) + 1).round().astype(int)
    return [tuple(layers[a:b]) for a, b in itertools.pairwise(edges)]


def _inwards(groups: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """First, last, second, last but one."""
    order = sorted(range(len(groups)), key=lambda i: (min(i, len(groups) - 1 - i), i))
    return [groups[i] for i in order]


def _probabilities(model: onnx.ModelProto, images: Pixels) -> Probabilities:
    session = onnxruntime.InferenceSession(model_bytes(model), providers=["CPUExecutionProvider"])
    found = [session.run([OUTPUTS[0]], {INPUT: batch})[0] for batch in batches(images)]
    return np.concatenate(found)
