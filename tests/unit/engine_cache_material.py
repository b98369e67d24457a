"""A machine that is not here, and a toolchain whose "engines" are marked ONNX files that ONNX Runtime runs."""

# ruff: noqa: ARG002 - the signatures are the toolchain's

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy.edge.engines.base import Engine
from deploy.edge.engines.cuda_probe import CudaProbe, Gpu
from deploy.edge.engines.onnxruntime_cpu import OnnxRuntimeCpu
from deploy.edge.engines.tensorrt_build import Built
from deploy.edge.engines.tensorrt_key import BuildOptions, EngineKey, engine_key
from deploy.edge.engines.tensorrt_ready import Machine, Ready, Toolchain, ready_engine
from deploy.edge.errors import EngineError
from deploy.edge.files import sha256_file

ORIN = Gpu("Orin", "8.7", 2**34)
MACHINE = Machine("10.3.0", CudaProbe(driver="540.4.0, CUDA 12060", devices=(ORIN,)))
OTHER_GPU = Machine("10.3.0", replace(MACHINE.probe, devices=(Gpu("Thor", "11.0", 2**36),)))
OTHER_DRIVER = Machine("10.3.0", replace(MACHINE.probe, driver="580.1.0, CUDA 13000"))
OTHER_TENSORRT = Machine("11.4.0", MACHINE.probe)
MARK = b"built\n"


def _proven(engine: Engine) -> float:
    assert engine.describe()["threads"] == 1
    return 0.25


class Workshop:
    """Counts what is built and loaded; the bytes differ from build to build, as TensorRT's do."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.builds = 0
        self.loaded: list[bytes] = []
        self.timings: list[bytes] = []
        self.said: list[str] = []

    def build(self, model: bytes, options: BuildOptions, known: bytes) -> Built:
        self.builds += 1
        self.timings.append(known)
        return Built(MARK + b"%d\n" % self.builds + model, b"timings", 7, 1.5)

    def load(self, payload: bytes, facts: Mapping[str, Any]) -> Engine:
        self.loaded.append(payload)
        if not payload.startswith(MARK):
            raise EngineError("no engine")
        model = self.scratch / "loaded.onnx"
        model.write_bytes(payload.split(b"\n", 2)[2])
        return OnnxRuntimeCpu(model, threads=1)

    def ready(self, model: Path, folder: Path, machine: Machine = MACHINE, **changes: Any) -> Ready:
        """An engine, proven by a gap of 0.25 unless told otherwise."""
        settings: dict[str, Any] = {
            "prove": _proven,
            "say": self.said.append,
            "toolchain": Toolchain(self.build, self.load),
            **changes,
        }
        options = settings.pop("options", BuildOptions())
        return ready_engine(model, machine, options, folder, **settings)


def key_of(model: Path, machine: Machine = MACHINE, **options: Any) -> EngineKey:
    return engine_key(sha256_file(model), machine.tensorrt, machine.probe, BuildOptions(**options))


def engines(folder: Path) -> list[Path]:
    """Those in their place; what is written aside begins with a dot."""
    return sorted(folder.glob("[!.]*.engine"))
