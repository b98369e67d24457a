"""Reading a data set as a run would: through ingest, each row by its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inspection.config import ChecksConfig, DataConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.shapes import Region
from inspection.store import Store


def index_of(kind: str, root: Path, **more: object) -> ImageIndex:
    config = DataConfig.model_validate({"kind": kind, "root": root, **more})
    return ingest(config, ChecksConfig(), store=Store(root / "store"), seed=0)


def rows_of(kind: str, root: Path, **more: object) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in index_of(kind, root, **more).table().to_pylist()}


def row(index: ImageIndex, path: str) -> dict[str, object]:
    """The only row of `path`."""
    found: list[dict[str, object]] = [r for r in index.table().to_pylist() if r["path"] == path]
    assert len(found) == 1, list(index.frame["path"])
    return found[0]


def regions_in(row: dict[str, Any]) -> list[Region]:
    return [Region(stated["label"], tuple(stated["counts"])) for stated in row["regions"]]


def codes(row: dict[str, Any]) -> list[str]:
    """The codes of a row's warnings."""
    return [text.split(":")[0] for text in row["warnings"]]


def is_one_line(text: str, root: Path) -> bool:
    """For people: says something, on one line, without the folder the test runs in."""
    return len(text) > 20 and "\n" not in text and str(root) not in text
