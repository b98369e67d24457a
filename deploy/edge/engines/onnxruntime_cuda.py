"""ONNX Runtime on an NVIDIA GPU: the GPU without TensorRT, and without a build.

Never run on hardware by its authors. It needs `onnxruntime-gpu` in the place of `onnxruntime`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from pathlib import Path

import onnxruntime as ort

from deploy.edge.engines.cuda_probe import probe_cuda
from deploy.edge.engines.onnxruntime_session import OnnxRuntime, check_installed
from deploy.edge.errors import EngineUnavailable

PROVIDER = "CUDAExecutionProvider"
# Without TF32, FP32 means FP32 and the golden images hold it to that.
SETTINGS = {"device_id": "0", "use_tf32": "0"}


class OnnxRuntimeCuda(OnnxRuntime):
    """An `Engine` over one ONNX file, every node on the GPU."""

    name = "onnxruntime-cuda"
    provider = PROVIDER

    def __init__(self, model: Path, *, threads: int | None = None, spinning: bool = False) -> None:
        check_cuda()
        _load_libraries()
        super().__init__(model, threads=threads, spinning=spinning, settings=SETTINGS)


def check_cuda() -> None:
    """EngineUnavailable unless this ONNX Runtime was built for CUDA and the driver answers."""
    check_installed(PROVIDER)
    probe = probe_cuda()
    if not probe.usable:
        raise EngineUnavailable("ONNX Runtime on CUDA", probe.reason, "use --engine onnxruntime")


def _load_libraries() -> None:
    """CUDA and cuDNN from the `nvidia-*` packages, where they are; its remarks belong on stderr."""
    preload = getattr(ort, "preload_dlls", None)
    if preload is not None and importlib.util.find_spec("nvidia") is not None:
        with contextlib.redirect_stdout(sys.stderr):
            preload()
