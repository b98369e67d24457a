"""The five places where ONNX Runtime falls back to the CPU in silence: each is shown to be there, and to be closed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from deploy.edge.engines.onnxruntime_cpu import OnnxRuntimeCpu
from deploy.edge.engines.onnxruntime_cuda import PROVIDER, OnnxRuntimeCuda
from deploy.edge.engines.onnxruntime_session import (
    CPU,
    check_installed,
    check_placement,
    open_session,
    placement,
    session_options,
)
from deploy.edge.errors import BundleError, EngineError, EngineUnavailable
from tests.edge_bundles import HEIGHT, WIDTH, graph

ABSENT = "CUDAExecutionProvider"
# Built into the ordinary package and able to run no node of ours: a device that takes nothing.
IDLE = "AzureExecutionProvider"
needs_idle = pytest.mark.skipif(
    IDLE not in ort.get_available_providers(), reason=f"this ONNX Runtime has no {IDLE}"
)
needs_absent = pytest.mark.skipif(
    ABSENT in ort.get_available_providers(), reason=f"this ONNX Runtime has {ABSENT}"
)
IMAGES = np.zeros((1, HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(graph().SerializeToString())
    return path


def options(provider: str) -> Any:
    return session_options(provider, 1, spinning=False)


@needs_absent
def test_first__a_provider_that_is_not_installed_is_refused(model: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        silent = ort.InferenceSession(str(model), providers=[ABSENT, CPU])
    assert silent.get_providers() == [CPU]  # what happens to others
    with pytest.raises(EngineUnavailable, match="was built without it") as caught:
        open_session(model, ABSENT, options(ABSENT), {})
    assert caught.value.exit_code == 2
    with pytest.raises(EngineUnavailable):
        OnnxRuntimeCuda(model)
    check_installed(CPU)


def test_second__a_session_that_cannot_be_made_is_not_made_on_the_cpu(
    model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = []
    real = ort.InferenceSession._create_inference_session

    def create(self: Any, providers: Any, *rest: Any) -> None:
        made.append(providers)
        self._fallback_providers = [CPU]
        if len(made) == 1:
            raise RuntimeError("planted: the device is busy")
        real(self, providers, *rest)

    monkeypatch.setattr(ort.InferenceSession, "_create_inference_session", create)
    ort.InferenceSession(str(model), providers=[CPU])
    assert made == [[CPU], [CPU]]  # what happens to others: made again on the CPU
    assert "Falling back" in capfd.readouterr().out
    made.clear()
    with pytest.raises(BundleError, match="planted: the device is busy"):
        open_session(model, CPU, options(CPU), {})
    assert len(made) == 1
    assert capfd.readouterr().out == ""


def test_third__a_run_that_fails_is_not_repeated_on_the_cpu(
    model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Failing:
        """The device fails once; on the CPU it would go well."""

        def __init__(self, session: Any) -> None:
            self.session = session

        def __getattr__(self, name: str) -> Any:
            return getattr(self.session, name)

        def run(self, *_: Any) -> Any:
            raise ort_state.EPFail("planted: the device was reset")

    others = ort.InferenceSession(str(model), providers=[CPU])
    others._sess = Failing(others._sess)
    assert len(others.run(None, {"image": IMAGES})) == 2  # what happens to others
    assert "Falling back" in capfd.readouterr().out
    engine = OnnxRuntimeCpu(model, threads=1)
    engine._session._sess = Failing(engine._session._sess)
    for _ in range(2):
        with pytest.raises(EngineError, match="planted: the device was reset"):
            engine.run(IMAGES)
    assert capfd.readouterr().out == ""


@needs_idle
def test_fourth__single_nodes_do_not_go_to_the_cpu(model: Path) -> None:
    others = ort.InferenceSession(str(model), providers=[IDLE, CPU], enable_fallback=0)
    others.disable_fallback()
    assert len(others.run(None, {"image": IMAGES})) == 2  # what happens to others: all on the CPU
    with pytest.raises(EngineUnavailable, match=IDLE) as caught:
        open_session(model, IDLE, options(IDLE), {})
    assert "fallback" in str(caught.value).lower()


@needs_idle
def test_fifth__what_is_registered_is_not_taken_for_what_runs(model: Path) -> None:
    told = options(CPU)
    session = ort.InferenceSession(str(model), told, providers=[IDLE, CPU], enable_fallback=0)
    assert session.get_providers()[0] == IDLE  # what others take for an answer
    nodes = placement(session)
    assert set(nodes) == {CPU}
    with pytest.raises(EngineError, match=rf"elsewhere than on {IDLE}: \d+ on {CPU}"):
        check_placement(IDLE, session.get_providers(), nodes)


@pytest.mark.parametrize(
    ("registered", "nodes", "says"),
    [
        ([PROVIDER, CPU], {PROVIDER: 40, CPU: 1}, "1 on CPUExecutionProvider"),
        ([PROVIDER, CPU], {CPU: 41}, "41 on CPUExecutionProvider"),
        ([CPU], {CPU: 41}, "was asked for, the session has CPUExecutionProvider"),
        ([CPU], {}, "was asked for, the session has CPUExecutionProvider"),
    ],
)
def test_planted_placement__is_refused(
    registered: list[str], nodes: dict[str, int], says: str
) -> None:
    with pytest.raises(EngineError, match=says):
        check_placement(PROVIDER, registered, nodes)
    check_placement(PROVIDER, [PROVIDER, CPU], {PROVIDER: 41})


@pytest.mark.parametrize("provider", [CPU, PROVIDER])
def test_options__close_the_fourth_wherever_it_exists(provider: str) -> None:
    key = "session.disable_cpu_ep_fallback"
    if provider == CPU:  # "conflicting session configuration" there
        with pytest.raises(RuntimeError):
            options(provider).get_session_config_entry(key)
    else:
        assert options(provider).get_session_config_entry(key) == "1"
