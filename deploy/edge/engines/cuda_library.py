"""Whether NVIDIA's driver library is on this machine, found out without loading it: files alone, a millisecond.

Every command on a device without a GPU asks this, so nothing heavier is imported here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.edge.errors import EngineUnavailable

LIBRARY = "libcuda.so.1"
LOADER_CACHE = Path("/etc/ld.so.cache")
FOLDERS = (
    Path("/usr/lib"),
    Path("/usr/lib64"),
    Path("/usr/lib/x86_64-linux-gnu"),
    Path("/usr/lib/aarch64-linux-gnu"),
    Path("/usr/lib/aarch64-linux-gnu/nvidia"),
    Path("/usr/lib/aarch64-linux-gnu/tegra"),
    Path("/usr/lib/wsl/lib"),
    Path("/usr/local/cuda/compat"),
)


def check_library(engine: str) -> None:
    """EngineUnavailable, in the name of `engine`, on a machine without the library."""
    if not library_present(LIBRARY, os.environ):
        raise EngineUnavailable(engine, absence(LIBRARY), "use --engine onnxruntime")


def absence(library: str) -> str:
    """The reason in words."""
    return f"no NVIDIA driver library ({library}) on this machine"


def library_present(
    name: str,
    environment: Mapping[str, str],
    *,
    loader_cache: Path = LOADER_CACHE,
    folders: Sequence[Path] = FOLDERS,
) -> bool:
    """Whether the dynamic loader would find `name` (or the file of that path), without loading it."""
    if "/" in name:
        return Path(name).is_file()
    searched = environment.get("LD_LIBRARY_PATH", "").split(":")
    if any((folder / name).is_file() for folder in (*map(Path, filter(None, searched)), *folders)):
        return True
    try:
        return name.encode() + b"\0" in loader_cache.read_bytes()
    except OSError:  # no glibc, or no cache: the folders have answered
        return False
