"""ONNX Runtime with one execution provider and no other: what its engines share.

ONNX Runtime falls back to the CPU silently in five places. All are closed here:

1. a provider that is not installed is dropped with a warning: refused before a session is made;
2. a session that cannot be made is made again on the CPU: `enable_fallback=0`;
3. a run that fails is repeated on the CPU: `disable_fallback()`;
4. single nodes go to the CPU: `session.disable_cpu_ep_fallback`;
5. `get_providers()` tells what was registered, not what runs: placement is read from the session's own report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

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

CPU = "CPUExecutionProvider"

# ONNX Runtime's exceptions share no base but Exception.
_ORT_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    *(
        kind
        for kind in vars(ort_state).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ),
)


class OnnxRuntime:
    """An `Engine` over one ONNX file, all of whose nodes run on `provider`."""

    name = ""
    provider = CPU

    def __init__(
        self,
        model: Path,
        *,
        threads: int | None = None,
        spinning: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.threads = used_threads(threads)
        self.spinning = spinning
        options = session_options(self.provider, self.threads, spinning=spinning)
        self._session = open_session(model, self.provider, options, settings or {})
        self.height, self.width = _check_contract(self._session, model)

    def run(self, images: npt.NDArray[np.uint8]) -> Outputs:
        """Outputs for uint8 RGB (N, H, W, 3)."""
        check_images(images, self.height, self.width)
        feed = {INPUT: np.ascontiguousarray(images)}
        try:
            probabilities, embedding = self._session.run([PROBABILITIES, EMBEDDING], feed)
        except _ORT_ERRORS as error:
            raise EngineError(f"ONNX Runtime failed on {len(images)} images: {error}") from error
        return check_outputs(Outputs(probabilities, embedding), len(images))

    def describe(self) -> dict[str, Any]:
        """Runtime, version, threads, input, and the provider of every node as the session reports it."""
        return {
            "engine": self.name,
            "version": ort.__version__,
            "threads": self.threads,
            "spinning": self.spinning,
            "input": [self.height, self.width, 3],
            "placement": placement(self._session),
        }


def session_options(provider: str, threads: int, *, spinning: bool) -> ort.SessionOptions:
    """Of a session that runs every node on `provider` or is not made."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4  # its complaints come as exceptions too
    # On shared cores, threads that spin while waiting double the 95th percentile and gain no median: off
    # unless it was measured to pay.
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if provider != CPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def open_session(
    model: Path, provider: str, options: ort.SessionOptions, settings: Mapping[str, str]
) -> ort.InferenceSession:
    """A session on `provider` alone, or BundleError (the CPU refuses the file) or EngineUnavailable."""
    if not model.is_file():
        raise BundleError(f"no model file '{model}': is this a bundle?")
    check_installed(provider)
    try:
        session = ort.InferenceSession(
            str(model),
            options,
            providers=[(provider, dict(settings))],
            enable_fallback=0,
        )
    except _ORT_ERRORS as error:
        reason = (
            f"ONNX Runtime {ort.__version__} refuses '{model}' ({' '.join(str(error).split())})"
        )
        if provider != CPU:  # most often the device, its libraries or one operator, not the file
            raise EngineUnavailable(provider, reason, "use --engine onnxruntime") from error
        raise BundleError(f"{reason}: export it again") from error
    session.disable_fallback()
    check_placement(provider, session.get_providers(), placement(session))
    return session


def check_installed(provider: str) -> None:
    """EngineUnavailable unless this build of ONNX Runtime has the provider."""
    available = ort.get_available_providers()
    if provider not in available:
        raise EngineUnavailable(
            provider,
            f"ONNX Runtime {ort.__version__} was built without it (it has {', '.join(available)})",
            "install the onnxruntime package for this device, or use --engine onnxruntime",
        )


def check_placement(provider: str, registered: Sequence[str], nodes: Mapping[str, int]) -> None:
    """EngineError if a node runs elsewhere; with an ONNX Runtime too old to tell, registration must do."""
    if provider not in registered:
        raise EngineError(f"{provider} was asked for, the session has {', '.join(registered)}")
    elsewhere = {name: count for name, count in nodes.items() if name != provider}
    if elsewhere:
        words = ", ".join(f"{count} on {name}" for name, count in elsewhere.items())
        raise EngineError(
            f"nodes run elsewhere than on {provider}: {words}; use --engine onnxruntime"
        )


def placement(session: ort.InferenceSession) -> dict[str, int]:
    """Nodes per execution provider; empty where ONNX Runtime is too old to tell."""
    report = getattr(session, "get_provider_graph_assignment_info", None)
    nodes: dict[str, int] = {}
    for part in report() if report else ():
        nodes[part.ep_name] = nodes.get(part.ep_name, 0) + len(part.get_nodes())
    return nodes


def _check_contract(session: ort.InferenceSession, model: Path) -> tuple[int, int]:
    """Height and width of the input, once the graph is what the contract says."""
    inputs = session.get_inputs()
    kind = inputs[0].type.removeprefix("tensor(").removesuffix(")") if inputs else ""
    return check_contract(
        model,
        [value.name for value in inputs],
        [value.name for value in session.get_outputs()],
        kind,
        list(inputs[0].shape) if inputs else [],
    )
