"""What is known of a backbone from an earlier run, so that a run which finds all vectors cached builds no network.

A note per backbone says what loading it gave: digest of its tensors, size of its vectors, licence. It holds as long as
everything the digest depends on is the same: name, sizes, pooling, arithmetic, the weights file's bytes or the seed,
the versions of timm and torch, and the kind of processor. A note that cannot be read is as good as none.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from deploy.edge.files import canonical_json, sha256_bytes, sha256_file
from inspection.features.backbone import BackboneInfo, recipe_name
from inspection.features.hub import cached_file
from inspection.learning_config import TeacherConfig
from inspection.records import Record

FORM = 1
"""Change it when loading a backbone gives something else for the same config."""
SETTLED_NS = 2_000_000_000
"""A file changed less than this ago may change once more under the same time stamp."""


@dataclass(frozen=True)
class Note(Record):
    """What loading gave, and the SHA-256 of the weights file it was loaded from (empty: no file)."""

    info: BackboneInfo
    weights_file: str


@dataclass(frozen=True)
class FileNote(Record):
    """A file's content as long as its size and time stay."""

    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class KnownBackbones:
    """Notes in a folder; reading never creates anything."""

    folder: Path

    def find(self, config: TeacherConfig, *, seed: int, device: str) -> BackboneInfo | None:
        """What `load_backbone` would say of itself, or None when only loading can tell."""
        path = self._note(config, seed, device)
        try:
            note = Note.load(path)
        except (OSError, ValueError):
            return None
        return note.info if self._file_digest(config, note.info) == note.weights_file else None

    def keep(self, config: TeacherConfig, info: BackboneInfo, *, seed: int, device: str) -> None:
        """Note what loading gave."""
        digest = self._file_digest(config, info)
        if digest is not None:
            Note(info, digest).save(self._note(config, seed, device))

    def _note(self, config: TeacherConfig, seed: int, device: str) -> Path:
        given = config.weights in ("none", "hub")
        identity = [
            FORM,
            config.backbone,
            config.image_size,
            config.pad_same,
            recipe_name(config, device),
            config.weights if given else Path(config.weights).name,
            seed if config.weights == "none" else None,
            version("timm"),
            version("torch"),
            torch.backends.cpu.get_cpu_capability(),
        ]
        return self.folder / f"{sha256_bytes(canonical_json(identity))[:32]}.json"

    def _file_digest(self, config: TeacherConfig, info: BackboneInfo) -> str | None:
        """SHA-256 of the weights file; empty without one; None when the file is gone."""
        if config.weights == "none":
            return ""
        path = cached_file(info.weights) if config.weights == "hub" else Path(config.weights)
        return None if path is None or not path.is_file() else self._digest(path.absolute())

    def _digest(self, path: Path) -> str:
        memo = self.folder / "files" / f"{sha256_bytes(os.fsencode(path))[:32]}.json"
        stat = path.stat()
        try:
            note = FileNote.load(memo)
        except (OSError, ValueError):
            note = None
        if note is not None and (note.size, note.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return note.sha256
        digest = sha256_file(path)
        if time.time_ns() - stat.st_mtime_ns > SETTLED_NS:
            FileNote(stat.st_size, stat.st_mtime_ns, digest).save(memo)
        return digest
