"""Compile the bundle for the GPU of this machine; pending, with the reason, where there is none."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from deploy.edge.commands.common import say
from deploy.export.compiled import Compiled, compile_here
from deploy.export.release import Release


@step(enable_cache=False)
def compile_tensorrt(release: Release) -> Annotated[Compiled, "compiled"]:
    """The code of `plumbline-edge compile`."""
    compiled = compile_here(release.folder, say)
    log_metadata({"status": compiled.status, "reason": compiled.reason})
    return compiled
