"""TensorRT on an NVIDIA GPU: an engine from the cache, run over buffers that are allocated once.

Never run on hardware by its authors: built and linted without a GPU, its decisions tested against a stand-in. What
proves it on a device are the bundle's golden images, before the first image of the line.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from deploy.edge.engines.base import EMBEDDING, INPUT, PROBABILITIES, Outputs, check_images
from deploy.edge.engines.cuda_memory import Cuda, Tensor, cuda_bindings
from deploy.edge.engines.tensorrt_key import Batches, profile_for, sentence
from deploy.edge.engines.tensorrt_report import Log, bound
from deploy.edge.errors import EngineError

if TYPE_CHECKING:
    import tensorrt as trt

NAME = "tensorrt"


class TensorRt:
    """An `Engine` over TensorRT's bytes; `facts` are added to its description."""

    name = NAME

    def __init__(
        self,
        payload: bytes,
        *,
        threads: int = 1,
        facts: Mapping[str, Any] | None = None,
        cuda: Cuda | None = None,
    ) -> None:
        self.threads = threads
        self._facts = dict(facts or {})
        # Named in the order in which they must go: each holds on to the next.
        self._lanes: list[Lane] = []
        self._engine, self._runtime, self._log = _deserialised(payload)
        self._cuda = cuda or Cuda(cuda_bindings())
        # An engine that is passed over must not hold the GPU's memory from the one that is used instead.
        self._release = weakref.finalize(self, _released, self._cuda)
        self._release.atexit = False  # by then the driver may be gone, and takes the memory with it
        self._batches = _batches(self._engine)
        self.height, self.width = (int(side) for side in self._engine.get_tensor_shape(INPUT)[1:3])
        self._tensors: dict[str, Tensor] = {}
        for index in range(len(self._batches)):
            self._lanes.append(self._lane(index))

    def run(self, images: npt.NDArray[np.uint8]) -> Outputs:
        """Outputs for uint8 RGB (N, H, W, 3); more than the engine takes at a time go in parts."""
        check_images(images, self.height, self.width)
        most = max(span.most for span in self._batches)
        if len(images) <= most:
            return self._run(images)
        parts = [self._run(images[i : i + most]) for i in range(0, len(images), most)]
        return Outputs(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.embedding for part in parts]),
        )

    def describe(self) -> dict[str, Any]:
        """Runtime, version, input, GPU, batches; and whether a CUDA graph is in use, or why not."""
        import tensorrt as trt

        where = f"TensorRT on {self._facts.get('gpu', 'the GPU')}"
        return {
            "engine": self.name,
            "version": trt.__version__,
            "threads": self.threads,
            "spinning": False,
            "input": [self.height, self.width, 3],
            "placement": {where: self._engine.num_layers},
            "batches": [[span.fewest, span.usual, span.most] for span in self._batches],
            "cuda_graph": [lane.graph_state for lane in self._lanes],
            **self._facts,
        }

    def close(self) -> None:
        """Give the GPU's memory back; the engine cannot run afterwards."""
        for lane in self._lanes:
            lane.drop_graph()
        self._lanes.clear()
        self._tensors.clear()
        self._release()

    def _run(self, images: npt.NDArray[np.uint8]) -> Outputs:
        count = len(images)
        self._tensors[INPUT].host[:count] = images
        self._lanes[profile_for(count, self._batches)].run(count)
        # Copies: the next images write into the same pinned memory.
        return Outputs(
            np.array(self._tensors[PROBABILITIES].host[:count]),
            np.array(self._tensors[EMBEDDING].host[:count]),
        )

    def _lane(self, index: int) -> Lane:
        context = self._engine.create_execution_context()
        if context is None:
            raise EngineError("TensorRT makes no execution context: is the GPU's memory full?")
        if not context.set_optimization_profile_async(index, int(self._cuda.stream)):
            raise EngineError(f"TensorRT refuses its own profile {index}: compile the bundle again")
        self._cuda.wait()
        lane = Lane(context, self._cuda, self._tensors)
        lane.reshape((self._batches[index].most, self.height, self.width, 3))
        for name in _names(self._engine):
            if name not in self._tensors:
                self._tensors[name] = self._tensor(name, context)
            lane.connect(name)
        return lane

    def _tensor(self, name: str, context: trt.IExecutionContext) -> Tensor:
        """Room for the most images of any profile; every profile uses it."""
        most = max(span.most for span in self._batches)
        shape = tuple(int(side) for side in context.get_tensor_shape(name))
        wanted = np.uint8 if name == INPUT else np.float32
        dtype = _dtype(self._engine, name)
        if name in (INPUT, PROBABILITIES, EMBEDDING) and dtype != wanted:
            raise EngineError(
                f"'{name}' is {dtype} in this engine, must be {np.dtype(wanted)}: export it again"
            )
        return self._cuda.tensor((most, *shape[1:]), dtype)


@dataclass
class Lane:
    """One optimisation profile: its context, the shape it is set to, and that shape's CUDA graph."""

    context: trt.IExecutionContext
    cuda: Cuda
    tensors: Mapping[str, Tensor]
    count: int = 0
    graph: Any = None
    no_graph: str = ""

    def run(self, count: int) -> None:
        """Upload, infer, download. The second run of one shape in a row is captured, from the third it is replayed."""
        if count != self.count:
            self.drop_graph()
            self.reshape((count, *self.tensors[INPUT].host.shape[1:]))
            self._enqueue(count)  # a shape's first run prepares what cannot be captured
            self.count = count
        elif self.graph is not None:
            self.cuda.replay(self.graph)
        elif self.no_graph:
            self._enqueue(count)
        else:
            self._capture_and_replay(count)
        self.cuda.wait()

    @property
    def graph_state(self) -> str:
        """'for 1 image', 'not yet', or why there is none."""
        if self.graph is not None:
            return f"for {self.count} images" if self.count > 1 else "for 1 image"
        return f"none: {self.no_graph}" if self.no_graph else "not yet"

    def drop_graph(self) -> None:
        """It holds for one shape only."""
        if self.graph is not None:
            self.cuda.forget(self.graph)
            self.graph = None

    def reshape(self, shape: Sequence[int]) -> None:
        """Tell TensorRT the shape that comes next."""
        self.count = 0
        if not self.context.set_input_shape(INPUT, tuple(shape)):
            raise EngineError(f"TensorRT refuses the input shape {tuple(shape)}: compile it again")

    def connect(self, name: str) -> None:
        """Tell TensorRT where a tensor lies on the device."""
        if not self.context.set_tensor_address(name, self.tensors[name].device):
            raise EngineError(f"TensorRT refuses the buffer of '{name}': compile it again")

    def _capture_and_replay(self, count: int) -> None:
        try:
            self.graph = self.cuda.capture(partial(self._enqueue, count))
        except EngineError as error:  # slower, not wrong; `describe` tells
            self.no_graph = str(error)
            self._enqueue(count)
        else:
            self.cuda.replay(self.graph)

    def _enqueue(self, count: int) -> None:
        self.cuda.upload(self.tensors[INPUT], count)
        if not self.context.execute_async_v3(int(self.cuda.stream)):
            raise EngineError(f"TensorRT failed on {count} images: see its log")
        for name in (PROBABILITIES, EMBEDDING):
            self.cuda.download(self.tensors[name], count)


def _released(cuda: Cuda) -> None:
    """Nobody is left to hear of an error."""
    with contextlib.suppress(EngineError):
        cuda.release()


def _deserialised(payload: bytes) -> tuple[trt.ICudaEngine, trt.Runtime, Log]:
    import tensorrt as trt

    log = bound(Log, trt.ILogger)
    runtime = trt.Runtime(log)
    engine = runtime.deserialize_cuda_engine(payload)
    if engine is None:
        words = sentence(log.said) or "no reason given"
        raise EngineError(f"TensorRT {trt.__version__} does not load the engine ({words})")
    return engine, runtime, log


def _names(engine: trt.ICudaEngine) -> list[str]:
    return [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]


def _batches(engine: trt.ICudaEngine) -> list[Batches]:
    """What each profile takes, once inputs and outputs are those of the graph contract."""
    import tensorrt as trt

    names = _names(engine)
    inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
    if inputs != [INPUT] or not {PROBABILITIES, EMBEDDING} <= set(names):
        raise EngineError(f"the engine's tensors are {names}, not those of the graph contract")
    spans = (
        engine.get_tensor_profile_shape(INPUT, index)
        for index in range(engine.num_optimization_profiles)
    )
    return [Batches(*(int(shape[0]) for shape in span)) for span in spans]


def _dtype(engine: trt.ICudaEngine, name: str) -> np.dtype[Any]:
    import tensorrt as trt

    kind = engine.get_tensor_dtype(name)
    try:
        found: np.dtype[Any] = np.dtype(trt.nptype(kind))
    except TypeError as error:  # numpy has no such type
        raise EngineError(f"'{name}' is {kind} in this engine: export it again") from error
    return found
