"""A stand-in for TensorRT's runtime and CUDA's memory, to test the adapter's own decisions on a machine without either.

It proves nothing about TensorRT. "Device" memory is memory of this process, an "engine" is an ONNX file with its
profiles, and the graph runs in ONNX Runtime on whatever lies at the addresses that the adapter gave.
`test_tensorrt_adapter.py` holds every name it answers to against the releases' lists.
"""

# ruff: noqa: ARG002 - the signatures are NVIDIA's

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort

MAGIC = b"stand-in engine\n"


def payload(model: bytes, spans: list[tuple[int, int, int]]) -> bytes:
    """What the stand-in takes for an engine."""
    return MAGIC + json.dumps(spans).encode() + b"\n" + model


class Stream:
    """Runs at once, or keeps for a graph while capturing."""

    def __init__(self) -> None:
        self.recorded: list[Callable[[], None]] | None = None

    def put(self, work: Callable[[], None]) -> None:
        if self.recorded is None:
            work()
        else:
            self.recorded.append(work)


class CudaRuntime:
    """`cuda.bindings.runtime`, as far as the adapter calls it. `fails` maps a function to its next status."""

    cudaStreamNonBlocking = 1
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(self) -> None:
        self.stream = Stream()
        self.memory: dict[int, Any] = {}
        self.fails: dict[str, int] = {}
        self.calls: list[str] = []
        self.graphs = 0

    def __getattr__(self, name: str) -> Callable[..., tuple[Any, ...]]:
        if not name.startswith("cuda"):
            raise AttributeError(name)
        call = getattr(type(self), f"_{name}", None)

        def answer(*arguments: Any) -> tuple[Any, ...]:
            self.calls.append(name)
            if name in self.fails:
                return (self.fails.pop(name), None)
            return (0, *call(self, *arguments)) if call else (0,)

        return answer

    def _cudaGetErrorString(self, status: int) -> tuple[bytes]:
        return (f"planted error {status}".encode(),)

    def _cudaStreamCreateWithFlags(self, flags: int) -> tuple[int]:
        return (7,)

    def _cudaMalloc(self, size: int) -> tuple[int]:
        block = ctypes.create_string_buffer(b"\xa5" * size, size)
        self.memory[ctypes.addressof(block)] = block
        return (ctypes.addressof(block),)

    _cudaMallocHost = _cudaMalloc

    def _cudaFree(self, pointer: int) -> tuple[()]:
        del self.memory[pointer]
        return ()

    _cudaFreeHost = _cudaFree

    def _cudaMemcpyAsync(
        self, to: int, source: int, size: int, kind: int, stream: int
    ) -> tuple[()]:
        assert kind in (1, 2)
        self.stream.put(lambda: ctypes.memmove(to, source, size))  # type: ignore[arg-type,return-value]
        return ()

    def _cudaStreamBeginCapture(self, stream: int, mode: int) -> tuple[()]:
        self.stream.recorded = []
        return ()

    def _cudaStreamEndCapture(self, stream: int) -> tuple[Any]:
        graph, self.stream.recorded = self.stream.recorded, None
        return (graph,)

    def _cudaGraphInstantiate(self, graph: Any, flags: int) -> tuple[Any]:
        self.graphs += 1
        return (graph,)

    def _cudaGraphExecDestroy(self, graph: Any) -> tuple[()]:
        self.graphs -= 1
        return ()

    def _cudaGraphLaunch(self, graph: Any, stream: int) -> tuple[()]:
        for work in graph:
            work()
        return ()


class ICudaEngine:
    """An ONNX file and its profiles."""

    num_layers = 7

    def __init__(self, data: bytes, stream: Stream, faults: set[str]) -> None:
        spans, _, model = data.removeprefix(MAGIC).partition(b"\n")
        self.spans = json.loads(spans)
        self.session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
        self.stream, self.faults = stream, faults
        self.shapes = {value.name: value.shape for value in self.session.get_inputs()}
        self.inputs = set(self.shapes)
        self.shapes |= {value.name: value.shape for value in self.session.get_outputs()}

    @property
    def num_io_tensors(self) -> int:
        return len(self.shapes)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self.spans)

    def get_tensor_name(self, index: int) -> str:
        return list(self.shapes)[index]

    def get_tensor_mode(self, name: str) -> str:
        return "INPUT" if name in self.inputs else "OUTPUT"

    def get_tensor_dtype(self, name: str) -> Any:
        if "half" in self.faults and name not in self.inputs:
            return np.float16
        return np.uint8 if name in self.inputs else np.float32

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(side if isinstance(side, int) else -1 for side in self.shapes[name])

    def get_tensor_profile_shape(self, name: str, index: int) -> list[tuple[int, ...]]:
        return [(count, *self.get_tensor_shape(name)[1:]) for count in self.spans[index]]

    def create_execution_context(self) -> Any:
        return None if "create_execution_context" in self.faults else IExecutionContext(self)


class IExecutionContext:
    """Computes on what lies at the addresses it was given."""

    def __init__(self, engine: ICudaEngine) -> None:
        self._engine, self._addresses = engine, dict[str, int]()
        self._profile, self._shape = 0, tuple[int, ...]()

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        self._profile = index
        return "set_optimization_profile_async" not in self._engine.faults

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        fewest, _, most = self._engine.spans[self._profile]
        self._shape = tuple(shape)
        return fewest <= shape[0] <= most and "set_input_shape" not in self._engine.faults

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (self._shape[0], *self._engine.get_tensor_shape(name)[1:])

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return "set_tensor_address" not in self._engine.faults

    def execute_async_v3(self, stream: int) -> bool:
        shape, engine = self._shape, self._engine
        if "execute_async_v3" in engine.faults:
            return False
        if "capture" in engine.faults and engine.stream.recorded is not None:
            return False

        def compute() -> None:
            size = int(np.prod(shape))
            raw = (ctypes.c_ubyte * size).from_address(self._addresses["image"])
            images = np.ctypeslib.as_array(raw).reshape(shape)
            names = [name for name in engine.shapes if name not in engine.inputs]
            for name, answer in zip(
                names, engine.session.run(names, {"image": images}), strict=True
            ):
                ctypes.memmove(self._addresses[name], answer.ctypes.data, answer.nbytes)

        engine.stream.put(compute)
        return True


def stand_in(cuda: CudaRuntime, faults: set[str]) -> ModuleType:
    """A module to put in the place of `tensorrt`."""

    class ILogger:
        pass

    class Runtime:
        def __init__(self, logger: Any) -> None:
            self.logger = logger

        def deserialize_cuda_engine(self, data: bytes) -> ICudaEngine | None:
            if data.startswith(MAGIC):
                return ICudaEngine(data, cuda.stream, faults)
            self.logger.log(SimpleNamespace(name="ERROR"), "magic tag does not match")
            return None

    module = ModuleType("tensorrt")
    vars(module).update(
        __version__="10.16.1",
        ILogger=ILogger,
        Runtime=Runtime,
        TensorIOMode=SimpleNamespace(INPUT="INPUT", OUTPUT="OUTPUT"),
        nptype=lambda kind: kind,
    )
    return module
