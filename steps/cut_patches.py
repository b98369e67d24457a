"""Squares around defects instead of whole images, each in the group of the image it was cut from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from data_checks.duplicates import DuplicateReport, group_duplicates
from inspection.config import DataConfig
from inspection.data.index import ImageIndex
from inspection.data.patched import patched_index
from inspection.store import Store


@step
def cut_patches(
    index: ImageIndex, data: DataConfig, seed: int, store: str
) -> tuple[Annotated[ImageIndex, "patch_index"], Annotated[DuplicateReport, "patch_duplicates"]]:
    """What their images had in common they keep; two alike defects on two parts are no copies of each other."""
    patches = patched_index(index, data, store=Store(Path(store)), seed=seed)
    grouped, report = group_duplicates(patches, near_copies=False)
    log_metadata({"images": len(index.usable()), "patches": len(grouped)})
    return grouped, replace(report, pairs=())
