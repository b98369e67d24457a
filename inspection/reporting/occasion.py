"""When a run's page is written, and where: as whoever began the run states it, or left open for a stack's clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

OPEN = ""
"""Stated in place of a moment by who hands a pipeline to a stack: each of its runs has its own."""


@dataclass(frozen=True)
class Occasion:
    """`moment` and `folder` of one run's page."""

    moment: datetime
    folder: Path

    @classmethod
    def of(cls, created: str, folder: str, now: Callable[[], datetime] | None = None) -> Occasion:
        """From ISO 8601 `created`; left open it is now, and the moment becomes part of the folder's name."""
        place = Path(folder)
        if created != OPEN:
            return cls(datetime.fromisoformat(created), place)
        moment = now() if now else datetime.now(UTC)
        return cls(moment, place.with_name(f"{place.name}-{moment:%Y%m%d-%H%M%S}"))
