"""File names for patches: readable, safe on every file system, never the same twice.

Covered: equal stems in different folders, spaces, any script, names that differ only in case, device names of Windows.
Not covered: a class whose name no folder can have is spelt with a hash; the index beside the patches keeps its name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from deploy.edge.files import sha256_bytes

STEM = 40
"""Letters of the parent's name that are kept, to be read by people; the hash behind them tells files apart."""
FOLDER_BYTES = 80
UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
DEVICES = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


def patch_name(parent: str, number: int) -> str:
    """The file of a parent's patch: letters of its stem, a hash of its whole path, the patch's number."""
    stem = _ascii(PurePosixPath(parent).stem)[:STEM].strip("-.") or "image"
    return f"{stem}-{_short(parent)}-{number:03d}.png"


def class_folders_of(labels: Iterable[str]) -> dict[str, str]:
    """A folder name for each class: its own name where that is safe and no other class has it in another case."""
    names = sorted(set(labels))
    folded = [_folded(name) for name in names]
    return {
        name: name if _safe(name) and folded.count(key) == 1 else _spelt(name)
        for name, key in zip(names, folded, strict=True)
    }


def _safe(name: str) -> bool:
    plain = name == unicodedata.normalize("NFC", name) and name.isprintable()
    ends = name == name.strip(" .") and bool(name)
    short = len(name.encode("utf-8", "replace")) <= FOLDER_BYTES
    return plain and ends and short and not UNSAFE.search(name) and not DEVICES.match(name)


def _spelt(name: str) -> str:
    return f"{_ascii(name)[:STEM].strip('-.') or 'class'}-{_short(name)}"


def _ascii(name: str) -> str:
    bare = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.]+", "-", bare)


def _short(name: str) -> str:
    return sha256_bytes(name.encode("utf-8", "surrogatepass"))[:12]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
