"""Compile the bundle for the GPU of this machine; pending, with the reason, where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from deploy.export.compiled import Compiled, compile_here
from deploy.export.release import Release
from inspection.store import Store


@step(enable_cache=False)
def compile_tensorrt(release: Release, store: str) -> Annotated[Compiled, "compiled"]:
    """The code of `plumbline-edge compile`."""
    compiled = compile_here(release.folder, Store(Path(store)))
    log_metadata({"status": compiled.status, "reason": compiled.reason})
    return compiled
