"""The device runtimes by name; a runtime is imported only when it is opened."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from deploy.edge.engines.cuda_library import check_library
from deploy.edge.errors import UserError

if TYPE_CHECKING:  # numpy: too heavy for a command that only prints its help
    from deploy.edge.engines.base import Engine, Prove


class Opener(Protocol):
    """Loads `model` into a runtime; None leaves the number of threads to it.

    A runtime that builds and keeps something of its own keeps only what `prove` accepts.
    """

    def __call__(
        self, model: Path, *, threads: int | None, spinning: bool, prove: Prove | None
    ) -> Engine: ...


def _onnxruntime(
    model: Path, *, threads: int | None, spinning: bool, prove: Prove | None
) -> Engine:
    from deploy.edge.engines.onnxruntime_cpu import OnnxRuntimeCpu

    del prove  # it keeps nothing
    return OnnxRuntimeCpu(model, threads=threads, spinning=spinning)


def _onnxruntime_cuda(
    model: Path, *, threads: int | None, spinning: bool, prove: Prove | None
) -> Engine:
    check_library("ONNX Runtime on CUDA")
    from deploy.edge.engines.onnxruntime_cuda import OnnxRuntimeCuda

    del prove  # it keeps nothing
    return OnnxRuntimeCuda(model, threads=threads, spinning=spinning)


def _openvino(model: Path, *, threads: int | None, spinning: bool, prove: Prove | None) -> Engine:
    from deploy.edge.engines.openvino import OpenVino

    del spinning, prove  # its threads wait as it sees fit, and it keeps nothing
    return OpenVino(model, threads=threads)


def _tensorrt(model: Path, *, threads: int | None, spinning: bool, prove: Prove | None) -> Engine:
    check_library("TensorRT")
    from deploy.edge.engines.tensorrt_ready import open_tensorrt

    del spinning  # its threads are the GPU's
    return open_tensorrt(model, threads=threads, prove=prove)


ENGINES: Mapping[str, Opener] = {
    "onnxruntime": _onnxruntime,
    "onnxruntime-cuda": _onnxruntime_cuda,
    "openvino": _openvino,
    "tensorrt": _tensorrt,
}
"""To support a runtime, add one line here; tests/contracts/test_every_engine.py finds it."""


def check_engine(name: str) -> None:
    """UserError with the nearest name unless it is one of `ENGINES`."""
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(ENGINES)}"
        raise UserError(f"unknown engine '{name}': {hint}")


def open_engine(
    name: str,
    model: Path,
    *,
    threads: int | None = None,
    spinning: bool = False,
    prove: Prove | None = None,
) -> Engine:
    """The named runtime with `model` loaded and held against the graph contract."""
    check_engine(name)
    return ENGINES[name](model, threads=threads, spinning=spinning, prove=prove)
