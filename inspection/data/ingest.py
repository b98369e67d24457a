"""From a folder to an image index: every file opened once, by content, its facts and faults written down.

Covered: what cannot be decoded, or contradicts its own mask or boxes, is quarantined with code and sentence; sources
are only read. Not covered: contradictions between images (`data_checks/contradictions.py`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deploy.edge.errors import ImageError
from deploy.edge.files import canonical_json, sha256_bytes
from inspection.config import ChecksConfig, DataConfig
from inspection.data.index import ImageIndex
from inspection.data.inspect_item import describe
from inspection.data.readers.base import RawItem
from inspection.data.readers.files import checked_root, images_below, relative
from inspection.data.readers.registry import READERS
from inspection.data.synthetic import generate
from inspection.errors import DataError
from inspection.progress import track
from inspection.store import Store

IN_FLIGHT = 4
"""Images decoded ahead per thread: enough to keep the cores busy, few enough to bound memory."""


def source_fingerprint(config: DataConfig) -> str:
    """Changes when a file below the root appears, goes or is written; for synthetic data, with its config."""
    if config.kind == "synthetic":
        return sha256_bytes(canonical_json(config.model_dump(mode="json")))
    root = checked_root(_root(config))
    digest = hashlib.sha256(config.model_dump_json().encode())
    for path in images_below(
        root, {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".xml"}
    ):
        facts = path.stat() if path.exists() else None
        stamp = (facts.st_size, facts.st_mtime_ns) if facts else None
        digest.update(f"{relative(path, root)}\0{stamp}\n".encode())
    return digest.hexdigest()


def ingest(config: DataConfig, checks: ChecksConfig, *, store: Store, seed: int) -> ImageIndex:
    """Read the data set that `config` names; DataError when there is none, quarantined rows for single bad files."""
    reader, root = config.kind, config.root
    if config.kind == "synthetic":
        reader = "mask_pairs"
        root = generate(
            synthetic_folder(config, store, seed=seed), config.synthetic, seed=seed
        ).root
    config = config.model_copy(update={"root": root})
    root = checked_root(_root(config))
    items = READERS[reader](root, config)
    if config.ok_class is not None and config.ok_class not in {item.label for item in items}:
        labels = sorted({item.label for item in items if item.label})
        raise DataError(
            f"data.ok_class: no image is labelled '{config.ok_class}'; there are {labels}"
        )
    rows = list(track(_described(items, root, config, checks), "reading images", len(items)))
    return ImageIndex.from_rows(root, [{**row, "source": config.kind} for row in rows])


def synthetic_folder(config: DataConfig, store: Store, *, seed: int) -> Path:
    """Where the generator's images for this config and seed lie: named by content."""
    key = sha256_bytes(canonical_json([config.synthetic.model_dump(mode="json"), seed]))
    return store.synthetic / key[:16]


def _root(config: DataConfig) -> Path:
    if config.root is None:
        raise DataError(f"data.root: kind '{config.kind}' reads a folder; give data.root=<folder>")
    return config.root


def _described(
    items: list[RawItem], root: Path, config: DataConfig, checks: ChecksConfig
) -> Iterator[dict[str, Any]]:
    """Rows in the order of `items`; OpenCV releases the lock, so threads use every core."""
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[dict[str, Any]]] = deque()
        for item in items:
            waiting.append(pool.submit(_row, item, root, config, checks))
            if len(waiting) >= workers * IN_FLIGHT:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _row(item: RawItem, root: Path, config: DataConfig, checks: ChecksConfig) -> dict[str, Any]:
    row: dict[str, Any] = {
        "path": item.path,
        "label": item.label,
        "label_source": item.label_source,
        "boxes": [dataclasses.asdict(box) for box in item.boxes],
        "mask_path": item.mask_path,
        "pair_id": item.pair_id,
        "session": item.session,
        "camera": item.camera,
        "warnings": list(item.warnings),
    }
    try:
        facts, warnings = describe(item, root, config, checks)
    except ImageError as error:
        facts, warnings = {"quarantine": error.reason, "detail": _without_path(error, root)}, []
    if item.fault is not None:
        facts |= {"quarantine": item.fault[0], "detail": item.fault[1]}
    facts.setdefault("image_id", sha256_bytes(item.path.encode()))
    return {**row, **facts, "warnings": [*row["warnings"], *warnings]}


def _without_path(error: ImageError, root: Path) -> str:
    """The sentence alone: the row already says which file."""
    return str(error).replace(f"{root}{os.sep}", "")
