"""What an engine was built from, for and with: the decisions around TensorRT that need no TensorRT.

An engine is a cache entry of one machine: it runs on the GPU, driver and TensorRT it was built with, and nowhere
else. Everything it depends on is in its `EngineKey`; a difference is told as a sentence.
"""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.edge.engines.cuda_probe import CudaProbe
from deploy.edge.errors import UserError
from deploy.edge.files import canonical_json, sha256_bytes

ADAPTER = 1
"""Raised whenever this code builds another engine from the same file."""
MOST_IMAGES = 1024
MEBIBYTE = 2**20
# Said at every failure on a machine without a driver, and never the cause.
_NOISE = ("cudaError 35", "CUDA initialization failure with error: 35")
_LONGEST = 400


@dataclass(frozen=True)
class BuildOptions:
    """How an engine is built: batches of 1 to `batch` images, `workspace_mb` of scratch memory at most."""

    batch: int = 8
    workspace_mb: int = 1024

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= MOST_IMAGES:
            raise UserError(f"batch must be 1 to {MOST_IMAGES} images, got {self.batch}")
        if not 1 <= self.workspace_mb <= 2**20:
            raise UserError(f"workspace must be 1 to {2**20} MB, got {self.workspace_mb}")


@dataclass(frozen=True)
class Batches:
    """One optimisation profile: the fewest, the usual and the most images at a time."""

    fewest: int
    usual: int
    most: int


def profiles(batch: int) -> tuple[Batches, ...]:
    """A profile for one image, which the line runs, and one for up to `batch`, which folders and tests run."""
    one = Batches(1, 1, 1)
    return (one,) if batch == 1 else (one, Batches(1, batch, batch))


def profile_for(count: int, available: Sequence[Batches]) -> int:
    """Index of the tightest profile that takes `count` images at a time."""
    fitting = [i for i, span in enumerate(available) if span.fewest <= count <= span.most]
    if not fitting:
        raise UserError(f"no profile of this engine takes {count} images: compile it again")
    return min(fitting, key=lambda i: available[i].most)


@dataclass(frozen=True)
class EngineKey:
    """Everything an engine depends on. `model` is the SHA-256 of the ONNX file."""

    model: str
    tensorrt: str
    gpu: str
    compute_capability: str
    driver: str
    platform: str
    options: BuildOptions
    adapter: int = ADAPTER

    @property
    def document(self) -> dict[str, Any]:
        """JSON-able; what is written beside the engine."""
        return dataclasses.asdict(self)

    @property
    def file(self) -> str:
        """The engine's file name: the model first, so that all engines of a model stand together."""
        digest = sha256_bytes(canonical_json(self.document))
        return f"{self.model[:16]}-{digest[:16]}.engine"

    @property
    def timing_file(self) -> str:
        """Timings of kernels depend on the machine and TensorRT alone: models share them."""
        return f"{sha256_bytes(canonical_json(self.machine))[:16]}.timing"

    @property
    def machine(self) -> dict[str, Any]:
        """The part of the key that is this machine and its software."""
        return {k: v for k, v in self.document.items() if k not in ("model", "options")}


def engine_key(
    model: str, tensorrt: str, probe: CudaProbe, options: BuildOptions, device: int = 0
) -> EngineKey:
    """The key of this machine for an ONNX file of SHA-256 `model`."""
    gpu = probe.devices[device]
    return EngineKey(
        model=model,
        tensorrt=tensorrt,
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
        driver=probe.driver,
        platform=f"{platform.system()} {platform.machine()}",
        options=options,
    )


def differences(expected: EngineKey, found: Mapping[str, Any], *, options: bool = True) -> str:
    """What sets an engine apart from the one that is needed, as words; empty where nothing does.

    Without `options`, an engine that was built with other batches or limits counts as the same.
    """
    wanted = expected.document
    names = [name for name in wanted if options or name != "options"]
    apart = [
        f"{name.replace('_', ' ')} {found.get(name, 'unnamed')!r} (here {wanted[name]!r})"
        for name in names
        if found.get(name) != wanted[name]
    ]
    return ", ".join(apart)


def sentence(messages: Sequence[str]) -> str:
    """What a library complained of, as one line: each complaint once, the noise of a missing driver left out."""
    lines = (" ".join(line.split()) for message in messages for line in message.splitlines())
    kept = dict.fromkeys(
        line for line in lines if line and not any(noise in line for noise in _NOISE)
    )
    text = "; ".join(kept)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
