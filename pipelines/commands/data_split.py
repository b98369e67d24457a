"""`plumbline data split`: whole groups into train, val and test; the audit of a split; the price of a random one."""

from __future__ import annotations

from pathlib import Path

from pipelines.output import Answer


def split_index(
    index: Path, *, test: float, val: float, seed: int, embeddings: Path | None, compare: bool
) -> Answer:
    raise NotImplementedError


def audit_index(index: Path, *, symmetries: bool, max_leak_rate: float) -> Answer:
    raise NotImplementedError
