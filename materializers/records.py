"""Records (reports, verdicts, evaluations) as one JSON document."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from inspection.records import Record
from materializers.folder import FolderMaterializer

DOCUMENT = "record.json"
PLAIN = (bool, int, float, str)
LONGEST = 500


class RecordMaterializer(FolderMaterializer):
    """Every frozen dataclass that derives from `Record`."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (Record,)

    def write(self, data: Record, folder: Path) -> None:
        """One JSON document."""
        data.save(folder / DOCUMENT)

    def read(self, folder: Path, data_type: type[Record]) -> Record:
        """The record, of the type that the step names."""
        return data_type.load(folder / DOCUMENT)

    def extract_metadata(self, data: Record) -> dict[str, Any]:
        """Its plain fields, which the dashboard lists."""
        plain = {k: v for k, v in vars(data).items() if isinstance(v, PLAIN) and v == v}
        return {k: v[:LONGEST] if isinstance(v, str) else v for k, v in plain.items()}
