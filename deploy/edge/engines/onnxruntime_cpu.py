"""ONNX Runtime on the CPU: the reference runtime, on every device."""

from __future__ import annotations

from deploy.edge.engines.onnxruntime_session import OnnxRuntime


class OnnxRuntimeCpu(OnnxRuntime):
    """An `Engine` over one ONNX file, on the CPU."""

    name = "onnxruntime"
