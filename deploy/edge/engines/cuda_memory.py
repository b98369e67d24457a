"""Pinned and device memory, a stream and captured graphs, over `cuda-python`: each call is done or an EngineError."""

from __future__ import annotations

import ctypes
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.edge.errors import EngineError

BINDINGS = "cuda.bindings.runtime"


class Cuda:
    """CUDA's runtime on one device; `bindings` is the module of `cuda-python`."""

    def __init__(self, bindings: Any, device: int = 0) -> None:
        self._bindings = bindings
        self._pinned: list[Any] = []
        self._allocated: list[Any] = []
        self.call("cudaSetDevice", device)
        # Not the default stream: TensorRT adds synchronisation there, and it cannot be captured.
        self.stream = self.call("cudaStreamCreateWithFlags", bindings.cudaStreamNonBlocking)

    def call(self, name: str, *arguments: Any) -> Any:
        """What the function gives (None where it gives nothing); EngineError with CUDA's words where it fails."""
        status, *rest = getattr(self._bindings, name)(*arguments)
        if int(status):
            raise EngineError(f"CUDA: {name} failed ({self._words(status)}): restart the program")
        return rest[0] if rest else None

    def tensor(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Tensor:
        """A tensor on both sides, allocated once."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        host = self.call("cudaMallocHost", size)
        self._pinned.append(host)
        device = self.call("cudaMalloc", size)
        self._allocated.append(device)
        memory = (ctypes.c_byte * size).from_address(int(host))
        view = np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
        return Tensor(view, int(host), int(device))

    def upload(self, tensor: Tensor, count: int) -> None:
        """Enqueue the first `count` rows for the device."""
        kind = self._bindings.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(tensor.device, tensor.pinned, tensor.bytes(count), kind)

    def download(self, tensor: Tensor, count: int) -> None:
        """Enqueue the first `count` rows for the host."""
        kind = self._bindings.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(tensor.pinned, tensor.device, tensor.bytes(count), kind)

    def wait(self) -> None:
        """Until everything that was enqueued is done."""
        self.call("cudaStreamSynchronize", self.stream)

    def capture(self, enqueue: Callable[[], None]) -> Any:
        """What `enqueue` enqueues, as a graph to `replay`; nothing runs now."""
        mode = self._bindings.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self.call("cudaStreamBeginCapture", self.stream, mode)
        try:
            enqueue()
        except EngineError:
            # The stream must leave the capture, whatever it answers, and forget the error.
            self._bindings.cudaStreamEndCapture(self.stream)
            self._bindings.cudaGetLastError()
            raise
        graph = self.call("cudaStreamEndCapture", self.stream)
        ready = self.call("cudaGraphInstantiate", graph, 0)
        self.call("cudaGraphDestroy", graph)
        return ready

    def replay(self, graph: Any) -> None:
        """Enqueue a captured graph."""
        self.call("cudaGraphLaunch", graph, self.stream)

    def forget(self, graph: Any) -> None:
        """Release a captured graph."""
        self.call("cudaGraphExecDestroy", graph)

    def release(self) -> None:
        """Give all memory and the stream back; views of tensors must not be read afterwards."""
        for pointer in self._pinned:
            self.call("cudaFreeHost", pointer)
        for pointer in self._allocated:
            self.call("cudaFree", pointer)
        self._pinned.clear()
        self._allocated.clear()
        self.call("cudaStreamDestroy", self.stream)

    def _copy(self, target: int, source: int, size: int, kind: Any) -> None:
        self.call("cudaMemcpyAsync", target, source, size, kind, self.stream)

    def _words(self, status: Any) -> str:
        _, text = self._bindings.cudaGetErrorString(status)
        return text.decode(errors="replace") if isinstance(text, bytes) else str(text)


class Tensor:
    """`host` is a view of pinned memory; `pinned` and `device` are the addresses of both sides."""

    def __init__(self, host: npt.NDArray[Any], pinned: int, device: int) -> None:
        self.host, self.pinned, self.device = host, pinned, device

    def bytes(self, count: int) -> int:
        """Of the first `count` rows."""
        return count * int(self.host[0].nbytes)


def cuda_bindings() -> Any:
    """The module of `cuda-python`; ImportError where it is not installed."""
    return importlib.import_module(BINDINGS)
