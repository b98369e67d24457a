"""The device runtimes by name; a runtime is imported only when it is opened."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from deploy.edge.engines.base import Engine
from deploy.edge.errors import UserError


class Opener(Protocol):
    """Loads `model` into a runtime; None leaves the number of threads to it."""

    def __call__(self, model: Path, *, threads: int | None, spinning: bool) -> Engine: ...


def _onnxruntime(model: Path, *, threads: int | None, spinning: bool) -> Engine:
    from deploy.edge.engines.onnxruntime_cpu import OnnxRuntimeCpu

    return OnnxRuntimeCpu(model, threads=threads, spinning=spinning)


ENGINES: Mapping[str, Opener] = {"onnxruntime": _onnxruntime}
"""To support a runtime, add one line here; tests/contracts/test_every_engine.py finds it."""


def open_engine(
    name: str, model: Path, *, threads: int | None = None, spinning: bool = False
) -> Engine:
    """The named runtime with `model` loaded and held against the graph contract."""
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(ENGINES)}"
        raise UserError(f"unknown engine '{name}': {hint}")
    return ENGINES[name](model, threads=threads, spinning=spinning)
