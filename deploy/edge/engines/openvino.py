"""OpenVINO on the CPU: INT8 on Intel processors; an extra, and only where it is named.

Covered: FP32 stays FP32 (on processors with BF16 OpenVINO would round to it, which moves decisions), the precision and
the device are read back from the compiled model; nothing is sent to anybody. Not covered: its GPU and NPU devices.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.edge.engines.base import (
    EMBEDDING,
    INPUT,
    PROBABILITIES,
    Outputs,
    check_contract,
    check_images,
    check_outputs,
    used_threads,
)
from deploy.edge.errors import BundleError, EngineError, EngineUnavailable

NAME = "openvino"
DEVICE = "CPU"
TELEMETRY = "openvino_telemetry"
INSTALL = "pip install 'plumbline[openvino]', or use --engine onnxruntime"
FLOAT = "INFERENCE_PRECISION_HINT"
THREADS = "INFERENCE_NUM_THREADS"


class OpenVino:
    """An `Engine` over one ONNX file, compiled for the latency of one request."""

    name = NAME

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        self.threads = used_threads(threads)
        self._library = library()
        graph = _read(self._library, model)
        self.height, self.width = _check_contract(graph, model)
        self._compiled = _compiled(self._library, graph, model, self.threads)
        self._request = self._compiled.create_infer_request()

    def run(self, images: npt.NDArray[np.uint8]) -> Outputs:
        """Outputs for uint8 RGB (N, H, W, 3)."""
        check_images(images, self.height, self.width)
        try:
            self._request.infer({INPUT: np.ascontiguousarray(images)})
            # Copies: the next images write into the request's own memory.
            found = [np.array(self._request.get_tensor(n).data) for n in (PROBABILITIES, EMBEDDING)]
        except RuntimeError as error:
            words = " ".join(str(error).split())
            raise EngineError(f"OpenVINO failed on {len(images)} images: {words}") from error
        return check_outputs(Outputs(*found), len(images))

    def describe(self) -> dict[str, Any]:
        """Runtime, version, threads, input, the precision of floats, and the nodes of the compiled graph."""
        nodes = len(self._compiled.get_runtime_model().get_ops())
        return {
            "engine": self.name,
            "version": str(self._library.get_version()),
            "threads": int(self._compiled.get_property(THREADS)),
            "spinning": False,
            "input": [self.height, self.width, 3],
            "placement": {f"OpenVINO on the {DEVICE}": nodes},
            "floats": _name(self._compiled.get_property(FLOAT)),
        }


def library() -> Any:
    """The package, or EngineUnavailable with the command that adds it."""
    if importlib.util.find_spec(NAME) is None:
        raise EngineUnavailable("OpenVINO", f"the Python package {NAME} is not installed", INSTALL)
    # Importing OpenVINO tells its makers so, over the network and under an identifier that it writes into the home
    # folder, unless its telemetry cannot be imported: it then has a stand-in that does nothing.
    sys.modules.setdefault(TELEMETRY, None)  # type: ignore[arg-type] # what Python takes for "not to be found"
    try:
        return importlib.import_module(NAME)
    except (ImportError, OSError) as error:
        words = " ".join(str(error).split())
        raise EngineUnavailable("OpenVINO", f"it cannot be loaded ({words})", INSTALL) from error


def _read(library: Any, model: Path) -> Any:
    if not model.is_file():
        raise BundleError(f"no model file '{model}': is this a bundle?")
    try:
        return library.Core().read_model(model)
    except RuntimeError as error:
        raise _refused(library, model, error) from error


def _compiled(library: Any, graph: Any, model: Path, threads: int) -> Any:
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        FLOAT: "f32",
        THREADS: threads,
        # Two bundles on one machine would be pinned to the same first core.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        compiled = library.Core().compile_model(graph, DEVICE, settings)
    except RuntimeError as error:
        raise _refused(library, model, error) from error
    check_compiled(compiled.get_property("EXECUTION_DEVICES"), _name(compiled.get_property(FLOAT)))
    return compiled


def check_compiled(devices: Sequence[str], floats: str) -> None:
    """EngineError unless the graph runs on the CPU alone and in the precision it is written in."""
    if list(devices) != [DEVICE] or floats != "float32":
        raise EngineError(
            f"OpenVINO compiled for {', '.join(devices)} in {floats}, asked for {DEVICE} in float32: "
            "use --engine onnxruntime"
        )


def _check_contract(graph: Any, model: Path) -> tuple[int, int]:
    shapes = [value.get_partial_shape() for value in graph.inputs]
    shape = (
        [side.get_length() if side.is_static else str(side) for side in shapes[0]] if shapes else []
    )
    return check_contract(
        model,
        [value.get_any_name() for value in graph.inputs],
        [name for value in graph.outputs for name in value.get_names()],
        _name(graph.inputs[0].get_element_type()) if shapes else "",
        shape,
    )


def _name(kind: Any) -> str:
    """numpy's name of an element type."""
    return str(np.dtype(kind.to_dtype()))


def _refused(library: Any, model: Path, error: RuntimeError) -> BundleError:
    words = " ".join(str(error).split())
    return BundleError(
        f"OpenVINO {library.get_version()} refuses '{model}' ({words}): export it again"
    )
