"""Tests that need a GPU: skipped with the exact reason, or failed where REQUIRE_TRT=1 says that there is one."""

from __future__ import annotations

import os

import pytest

from deploy.edge.engines.cuda_library import check_library
from deploy.edge.errors import EngineUnavailable

GPU_ENGINES = ("tensorrt", "onnxruntime-cuda")


def gpu_marks(engine: str) -> list[pytest.MarkDecorator]:
    """The marks of a test that runs `engine`."""
    return [pytest.mark.gpu_trt] if engine in GPU_ENGINES else []


def refusal(engine: str) -> str:
    """Why this machine cannot run an engine, found out in a process of its own; empty where it can."""
    try:
        check_library(engine)
        if engine == "tensorrt":
            from deploy.edge.engines.tensorrt_ready import this_machine

            this_machine()
        else:
            from deploy.edge.engines.onnxruntime_cuda import check_cuda

            check_cuda()
    except EngineUnavailable as error:
        return error.reason
    return ""


def skip_unless_here(engine: str) -> None:
    """Skip the test, or under REQUIRE_TRT=1 fail it, with the reason why `engine` cannot run here."""
    reason = refusal(engine) if engine in GPU_ENGINES else ""
    if reason and engine == "tensorrt" and os.environ.get("REQUIRE_TRT") == "1":
        pytest.fail(f"REQUIRE_TRT=1, and {engine} cannot run here: {reason}")
    if reason:
        pytest.skip(f"{engine}: {reason}")
