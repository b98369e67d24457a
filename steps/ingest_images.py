"""Read every image once, and set aside with a reason what cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from data_checks.edit_files import with_edits
from inspection.config import ChecksConfig, DataConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.store import Store


@step
def ingest_images(
    data: DataConfig, checks: ChecksConfig, seed: int, store: str, source: str
) -> Annotated[ImageIndex, "raw_index"]:
    """One row per file; `source`, the fingerprint of the files, is what makes a changed folder a new run."""
    index = with_edits(ingest(data, checks, store=Store(Path(store)), seed=seed), data.edits)
    log_metadata({"source": source, "images": len(index), "usable": len(index.usable())})
    return index
