"""The decisions of the TensorRT adapter over a stand-in: profiles, buffers, graphs, refusals. No TensorRT runs here."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deploy.edge.engines.cuda_library import LIBRARY, library_present
from deploy.edge.engines.cuda_memory import BINDINGS, Cuda
from deploy.edge.engines.tensorrt import TensorRt
from deploy.edge.errors import EngineError
from tests.contracts.tensorrt_names import releases
from tests.contracts.tensorrt_stand_in import (
    CudaRuntime,
    ICudaEngine,
    IExecutionContext,
    payload,
    stand_in,
)
from tests.edge_bundles import HEIGHT, WIDTH, by_numpy, graph

MODEL = graph(outputs=("embedding", "logits", "probabilities")).SerializeToString()
SPANS = [(1, 1, 1), (1, 8, 8)]
Open = Callable[..., TensorRt]


@pytest.fixture
def cuda() -> CudaRuntime:
    return CudaRuntime()


@pytest.fixture
def faults() -> set[str]:
    return set()


@pytest.fixture
def opened(cuda: CudaRuntime, faults: set[str], monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setitem(sys.modules, "tensorrt", stand_in(cuda, faults))

    def open_engine(data: bytes | None = None) -> TensorRt:
        held = payload(MODEL, SPANS) if data is None else data  # type: ignore[arg-type]
        return TensorRt(held, facts={"gpu": "stand-in"}, cuda=Cuda(cuda))

    return open_engine


def batch(count: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed * 1000 + count)
    return random.integers(0, 256, (count, HEIGHT, WIDTH, 3)).astype(np.uint8)


def right(engine: TensorRt, images: Any) -> None:
    found, expected = engine.run(images), by_numpy(images)
    assert np.abs(found.probabilities - expected.probabilities).max() < 1e-5
    assert np.abs(found.embedding - expected.embedding).max() < 1e-4


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 33])
def test_answers__for_any_number_of_images(count: int, opened: Open) -> None:
    engine = opened()
    for seed in range(4):  # direct, captured, replayed, replayed
        right(engine, batch(count, seed))


@pytest.mark.parametrize(
    "counts",
    [
        [2, 2, 2, 8, 8, 8],  # a graph of fewer images would leave the rest as they were
        [1, 1, 1, 8, 8, 1, 3, 3, 3, 8, 1, 1, 2, 9, 9, 9, 16, 16],
    ],
)
def test_shapes_that_change__never_bring_an_old_graphs_answer(
    counts: list[int], opened: Open, cuda: CudaRuntime
) -> None:
    engine = opened()
    for seed, count in enumerate(counts):
        right(engine, batch(count, seed))
    assert cuda.graphs <= len(SPANS)  # graphs of shapes that are gone were released


def test_graph__is_captured_at_the_second_run_and_replayed_from_then_on(
    opened: Open, cuda: CudaRuntime
) -> None:
    engine = opened()
    states = []
    for seed in range(4):
        cuda.calls.clear()
        right(engine, batch(1, seed))
        states.append(engine.describe()["cuda_graph"][0])
    assert states == ["not yet", "for 1 image", "for 1 image", "for 1 image"]
    assert cuda.calls == ["cudaGraphLaunch", "cudaStreamSynchronize"]
    assert not cuda.calls.count("cudaMalloc")


def test_graph_that_cannot_be_captured__is_done_without_and_told(
    opened: Open, faults: set[str]
) -> None:
    faults.add("capture")
    engine = opened()
    for seed in range(4):
        right(engine, batch(1, seed))
    assert "TensorRT failed on 1 images" in engine.describe()["cuda_graph"][0]


def test_buffers__are_allocated_once_and_given_back(opened: Open, cuda: CudaRuntime) -> None:
    engine = opened()
    held = len(cuda.memory)
    assert held == 2 * 4  # pinned and device: the image and three outputs
    for seed in range(5):
        right(engine, batch(5, seed))
    assert len(cuda.memory) == held
    engine.close()
    assert cuda.memory == {}
    assert cuda.graphs == 0


def test_engine_that_is_dropped__gives_its_memory_back(opened: Open, cuda: CudaRuntime) -> None:
    engine = opened()
    right(engine, batch(2))
    assert cuda.memory
    del engine
    gc.collect()
    assert cuda.memory == {}


def test_engine_that_fails_to_open__gives_its_memory_back(
    opened: Open, cuda: CudaRuntime, faults: set[str]
) -> None:
    faults.add("set_tensor_address")
    with contextlib.suppress(EngineError):
        opened()
    gc.collect()
    assert cuda.memory == {}


def test_answers__outlive_the_next_run(opened: Open) -> None:
    engine = opened()
    first = engine.run(batch(1, 1))
    kept = first.probabilities.copy()
    engine.run(batch(1, 2))
    assert np.array_equal(first.probabilities, kept)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("create_execution_context", "no execution context"),
        ("set_optimization_profile_async", "its own profile 0"),
        ("set_input_shape", "refuses the input shape"),
        ("set_tensor_address", "refuses the buffer"),
        ("half", "is float16 in this engine, must be float32"),
    ],
)
def test_none_and_false__are_engine_errors_when_it_opens(
    fault: str, says: str, opened: Open, faults: set[str]
) -> None:
    faults.add(fault)
    with pytest.raises(EngineError, match=says):
        opened()


def test_false__is_an_engine_error_when_it_runs_and_not_for_ever(
    opened: Open, faults: set[str]
) -> None:
    engine = opened()
    faults.add("execute_async_v3")
    with pytest.raises(EngineError, match="failed on 2 images"):
        engine.run(batch(2))
    faults.clear()
    right(engine, batch(2))


@pytest.mark.parametrize(
    "call", ["cudaSetDevice", "cudaStreamCreateWithFlags", "cudaMalloc", "cudaMallocHost"]
)
def test_cuda_that_refuses__is_an_engine_error_in_its_words(
    call: str, opened: Open, cuda: CudaRuntime
) -> None:
    cuda.fails[call] = 2
    with pytest.raises(EngineError, match=f"{call} failed .planted error 2"):
        opened()


@pytest.mark.parametrize("call", ["cudaMemcpyAsync", "cudaStreamSynchronize"])
def test_cuda_that_fails_later__is_an_engine_error(
    call: str, opened: Open, cuda: CudaRuntime
) -> None:
    engine = opened()
    cuda.fails[call] = 700
    with pytest.raises(EngineError, match=f"{call} failed"):
        engine.run(batch(1))


def test_bytes_that_are_no_engine__are_an_error_with_tensorrts_words(opened: Open) -> None:
    with pytest.raises(EngineError, match=r"does not load the engine .magic tag does not match"):
        opened(b"junk")


def test_engine_of_another_graph__is_refused(opened: Open) -> None:
    other = graph(image="pixels").SerializeToString()
    with pytest.raises(EngineError, match="not those of the graph contract"):
        opened(payload(other, SPANS))  # type: ignore[arg-type]


def test_images__are_checked_before_they_are_copied(opened: Open) -> None:
    with pytest.raises(EngineError, match="uint8"):
        opened().run(np.zeros((1, HEIGHT, WIDTH, 3), np.float32))  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="empty"):
        opened().run(np.zeros((0, HEIGHT, WIDTH, 3), np.uint8))


def test_description__is_json(opened: Open) -> None:
    facts = json.loads(json.dumps(opened().describe()))
    assert facts["placement"] == {"TensorRT on stand-in": 7}
    assert facts["batches"] == [list(span) for span in SPANS]


def test_stand_in__answers_to_tensorrts_own_names_alone() -> None:
    for kind in (ICudaEngine, IExecutionContext):
        names = [name for name in vars(kind) if not name.startswith("_")]
        assert len(names) >= 5
        for release in releases():
            assert [name for name in names if not release.has(kind.__name__, name)] == []


def test_cuda_python__has_every_name_that_is_called(cuda: CudaRuntime, opened: Open) -> None:
    bindings = pytest.importorskip(BINDINGS, reason="cuda-python is not installed")
    engine = opened()
    for seed in range(3):
        engine.run(batch(1, seed))
    engine.run(batch(2))
    engine.close()
    named = {*cuda.calls, "cudaGetErrorString", "cudaGetLastError", "cudaStreamNonBlocking"}
    assert len(named) > 15
    assert [name for name in sorted(named) if not hasattr(bindings, name)] == []
    assert hasattr(bindings.cudaMemcpyKind, "cudaMemcpyHostToDevice")
    assert hasattr(bindings.cudaMemcpyKind, "cudaMemcpyDeviceToHost")
    assert hasattr(bindings.cudaStreamCaptureMode, "cudaStreamCaptureModeThreadLocal")


def test_cuda_python_without_a_driver__is_an_engine_error_in_its_words() -> None:
    bindings = pytest.importorskip(BINDINGS, reason="cuda-python is not installed")
    if library_present(LIBRARY, os.environ):
        pytest.skip("there is a driver here")
    with pytest.raises(EngineError, match=r"cudaSetDevice failed \(.+\)"):
        Cuda(bindings)
