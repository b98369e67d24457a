"""From a folder to an image index: every file opened once, by content, its facts and faults written down.

Covered: what cannot be decoded, or contradicts its own mask or boxes, is quarantined with code and sentence; sources
are only read. Not covered: contradictions between images (`data_checks/contradictions.py`).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.edge.files import canonical_json, sha256_bytes
from inspection.config import ChecksConfig, DataConfig
from inspection.data.index import SCHEMA, ImageIndex, plain
from inspection.data.inspect_item import describe
from inspection.data.readers.base import ANNOTATION_SUFFIXES, IMAGE_SUFFIXES, RawItem
from inspection.data.readers.files import (
    checked_root,
    class_folders,
    images_below,
    linked_folders,
    relative,
)
from inspection.data.readers.registry import READERS
from inspection.data.readers.unlabelled import with_unlabelled
from inspection.data.synthetic import RECIPE, generate, recipe_digest
from inspection.data.unfinished import Unfinished, key_of, unfinished
from inspection.errors import DataError
from inspection.parallel import in_order, one_thread_each
from inspection.progress import track
from inspection.store import Store


def source_fingerprint(config: DataConfig) -> str:
    """Changes when a file below the root appears, goes or is written; for synthetic data, with its config."""
    if config.kind == "synthetic":
        return sha256_bytes(canonical_json([RECIPE, config.model_dump(mode="json")]))
    root = checked_root(_root(config))
    digest = hashlib.sha256(config.model_dump_json().encode())
    for folder in class_folders(root):
        digest.update(f"{relative(folder, root)}/\n".encode())
    for path in images_below(root, IMAGE_SUFFIXES | ANNOTATION_SUFFIXES):
        facts = path.lstat()
        digest.update(f"{relative(path, root)}\0{facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def ingest(config: DataConfig, checks: ChecksConfig, *, store: Store, seed: int) -> ImageIndex:
    """Read the data set that `config` names; DataError when there is none, quarantined rows for single bad files."""
    reader: str = config.kind
    if config.kind == "synthetic":
        folder = synthetic_folder(config, store, seed=seed)
        reader, root = "mask_pairs", generate(folder, config.synthetic, seed=seed).root
        config = config.model_copy(update={"root": root})
    root = checked_root(_root(config))
    items = with_unlabelled(READERS[reader](root, config), root, config)
    items += linked_folders(root)
    if all(item.mask_classes is None for item in items):
        _check_ok_class({item.label for item in items}, config)
    place = store.unfinished / f"{_asked(root, config, checks)}.jsonl"
    with unfinished(place) as kept:
        described = _described(items, root, config, checks, kept)
        index = ImageIndex.from_rows(root, track(described, "reading images", len(items)))
    # Masks of class numbers give their labels only now.
    _check_ok_class({plain(label) for label in index.frame["label"]}, config)
    return index


def _check_ok_class(labels: set[str | None], config: DataConfig) -> None:
    if config.ok_class is None or config.ok_class in labels:
        return
    raise DataError(
        f"data.ok_class: no image is labelled '{config.ok_class}'; "
        f"give one of {', '.join(sorted(filter(None, labels))) or 'the labels, of which there are none'}"
    )


def synthetic_folder(config: DataConfig, store: Store, *, seed: int) -> Path:
    """Where the generator's images for this config and seed lie: named by content."""
    return store.synthetic / recipe_digest(config.synthetic, seed=seed)[:16]


def _root(config: DataConfig) -> Path:
    if config.root is None:
        raise DataError(f"data.root: kind '{config.kind}' reads a folder; give data.root=<folder>")
    return config.root


def _asked(root: Path, config: DataConfig, checks: ChecksConfig) -> str:
    """Names what decides every row alike: where, how it is read, and what a row is."""
    asked = [str(root), config.model_dump(mode="json"), checks.model_dump(mode="json")]
    return sha256_bytes(canonical_json([*asked, SCHEMA.to_string()]))[:16]


def _described(
    items: list[RawItem], root: Path, config: DataConfig, checks: ChecksConfig, kept: Unfinished
) -> Iterator[dict[str, Any]]:
    """Rows in the order of `items`; those that an ingest had read before it was killed are not read again."""

    def one(item: RawItem) -> tuple[str, dict[str, Any], bool]:
        key = key_of(item, root)
        known = kept.row(key)
        row = known or {**_row(item, root, config, checks), "source": config.kind}
        return key, row, known is None

    with one_thread_each():
        for key, row, new in in_order(one, items):
            if new:
                kept.keep(key, row)
            yield row


def _row(item: RawItem, root: Path, config: DataConfig, checks: ChecksConfig) -> dict[str, Any]:
    row: dict[str, Any] = {
        "path": item.path,
        "label": item.label,
        "label_source": item.label_source,
        "boxes": [] if item.relative else [dataclasses.asdict(box) for box in item.boxes],
        "mask_path": item.mask_path,
        "pair_id": item.pair_id,
        "session": item.session,
        "camera": item.camera,
        "split": item.split,
        "warnings": list(item.warnings),
    }
    facts, warnings = describe(item, root, config, checks)
    if item.fault is not None:
        code, sentence = item.fault
        also = f"; also {facts['quarantine']}: {facts['detail']}" if "quarantine" in facts else ""
        facts |= {"quarantine": code, "detail": f"{sentence}{also}"}
    facts.setdefault("image_id", sha256_bytes(item.path.encode()))
    return {**row, **facts, "warnings": [*row["warnings"], *warnings]}
