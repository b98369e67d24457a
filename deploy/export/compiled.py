"""Compiling a bundle for this machine's GPU from the workshop, by the device's own code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deploy.edge.bundle import open_bundle
from deploy.edge.compilation import compile_bundle
from deploy.edge.errors import EngineUnavailable
from inspection.records import Record


@dataclass(frozen=True)
class Compiled(Record):
    """`built` with the engine's file, or `pending` with the reason in a sentence."""

    status: Literal["built", "pending"]
    reason: str
    engine: Path | None = None


def compile_here(bundle: Path, say: Callable[[str], None]) -> Compiled:
    """The bundle's TensorRT engine, built and golden-tested here; pending where CUDA or TensorRT is missing."""
    try:
        made = compile_bundle(open_bundle(bundle), say=say)
    except EngineUnavailable as error:
        return Compiled("pending", error.reason)
    return Compiled("built", f"{made.variant} for {made.target}", made.path)
