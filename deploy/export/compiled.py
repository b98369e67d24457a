"""Compiling a bundle for this machine's GPU from the workshop, by the device's own code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inspection.records import Record
from inspection.store import Store


@dataclass(frozen=True)
class Compiled(Record):
    """`built` with the engine's file, or `pending` with the reason in a sentence."""

    status: Literal["built", "pending"]
    reason: str
    engine: Path | None = None


def compile_here(bundle: Path, store: Store) -> Compiled:
    """The bundle's TensorRT engine, built and golden-tested here; pending where CUDA or TensorRT is missing."""
    return Compiled("pending", f"TODO {bundle} {store}")
