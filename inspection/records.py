"""Frozen dataclasses that travel between steps and rest on disk as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import TypeAdapter

from deploy.edge.files import write_bytes


class Record:
    """Mix-in for frozen dataclasses: exact JSON out and back, `Path`s and tuples included."""

    def to_json(self) -> bytes:
        """Readable JSON; `from_json` gives an equal value."""
        return TypeAdapter(type(self)).dump_json(self, indent=2)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Strict about types and missing fields."""
        return TypeAdapter(cls).validate_json(data)

    def save(self, path: Path) -> None:
        """Write JSON, whole or not at all."""
        write_bytes(path, self.to_json() + b"\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        return cls.from_json(path.read_bytes())
