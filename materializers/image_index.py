"""The ImageIndex as Parquet, with its counts as a page."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any, ClassVar

from zenml.enums import VisualizationType

from inspection.data.index import ImageIndex
from materializers.folder import FolderMaterializer

TABLE = "index.parquet"
PAGE = "counts.html"


class ImageIndexMaterializer(FolderMaterializer):
    """Exactly the schema's columns; the images stay where they are."""

    ASSOCIATED_TYPES: ClassVar[tuple[type[Any], ...]] = (ImageIndex,)

    def write(self, data: ImageIndex, folder: Path) -> None:
        """One Parquet file, the root in its metadata."""
        data.save(folder / TABLE)

    def read(self, folder: Path, data_type: type[ImageIndex]) -> ImageIndex:
        """The index as saved."""
        return data_type.load(folder / TABLE)

    def extract_metadata(self, data: ImageIndex) -> dict[str, Any]:
        """How many images, of what, and how many of them cannot be used."""
        return {
            "root": str(data.root),
            "images": len(data),
            "quarantined": len(data) - len(data.usable()),
            "classes": list(data.classes),
        }

    def save_visualizations(self, data: ImageIndex) -> dict[str, VisualizationType]:
        """Label by split, and reasons of quarantine, as an offline page."""
        target = f"{self.uri}/{PAGE}"
        with self.artifact_store.open(target, "w") as stream:
            stream.write(counts_page(data))
        return {target: VisualizationType.HTML}


def counts_page(index: ImageIndex) -> str:
    """Two small tables of counts."""
    usable = index.usable().frame
    placed = usable["label"].fillna("no label") + ", " + usable["split"].fillna("no split yet")
    reasons = index.frame["quarantine"].dropna().value_counts()
    rows = list(placed.value_counts().sort_index().items())
    return (
        "<!doctype html><meta charset='utf-8'><style>body{font-family:system-ui}td{padding:.1em 1em}</style>"
        f"<h3>{len(index)} images</h3>{_table(rows)}"
        f"<h3>{int(reasons.sum())} quarantined</h3>{_table(list(reasons.items()))}"
    )


def _table(rows: list[tuple[Any, Any]]) -> str:
    cells = (f"<tr><td>{html.escape(str(k))}<td>{int(v)}</tr>" for k, v in rows)
    return f"<table>{''.join(cells)}</table>"
