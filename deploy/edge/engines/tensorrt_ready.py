"""From an ONNX file to an engine that runs on this machine: taken from the cache, or built, proven and kept."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.edge.engines.base import Engine, Prove
from deploy.edge.engines.cuda_library import LIBRARY, library_present
from deploy.edge.engines.cuda_memory import cuda_bindings
from deploy.edge.engines.cuda_probe import CudaProbe, probe_cuda
from deploy.edge.engines.tensorrt_build import Built, build_engine
from deploy.edge.engines.tensorrt_cache import (
    CachedFile,
    Say,
    Unfit,
    engine_folder,
    find_engine,
    keep,
    keep_timings,
    only_builder,
    timings,
    writable,
)
from deploy.edge.engines.tensorrt_key import BuildOptions, EngineKey, engine_key
from deploy.edge.errors import BundleError, EngineError, EngineUnavailable, TamperedBundle
from deploy.edge.files import sha256_bytes
from deploy.edge.spec import MOST_THREADS

ELSEWHERE = "use --engine onnxruntime, or a machine with an NVIDIA GPU"
INSTALL = "pip install 'plumbline[tensorrt]', or use --engine onnxruntime"


@dataclass(frozen=True)
class Machine:
    """What an engine is built for: TensorRT's version and the GPU (the first that CUDA shows)."""

    tensorrt: str
    probe: CudaProbe


@dataclass(frozen=True)
class Toolchain:
    """How engines are built and loaded; the real ones unless a test says otherwise."""

    build: Callable[[bytes, BuildOptions, bytes], Built]
    load: Callable[[bytes, Mapping[str, Any]], Engine]


@dataclass(frozen=True)
class Ready:
    """`engine` runs. `built` now, or found at `path` (None: not kept); `unfit` are the files that were passed over."""

    engine: Engine
    path: Path | None
    built: Built | None
    key: EngineKey
    facts: Mapping[str, Any] = field(default_factory=dict)
    unfit: tuple[Unfit, ...] = ()


def this_machine() -> Machine:
    """The machine, once CUDA answered in a process of its own; EngineUnavailable says what is missing."""
    if library_present(LIBRARY, os.environ) and importlib.util.find_spec("tensorrt") is None:
        raise _unavailable("the Python package tensorrt is not installed", INSTALL)
    probe = probe_cuda()
    if not probe.usable:
        raise _unavailable(probe.reason)
    try:
        cuda_bindings()
        version = str(importlib.import_module("tensorrt").__version__)
    except (ImportError, OSError, AttributeError) as error:
        raise _unavailable(
            f"it cannot be loaded ({' '.join(str(error).split())})", INSTALL
        ) from error
    if not version_supported(version):
        raise _unavailable(f"TensorRT {version} is installed, 10.3 or newer is needed", INSTALL)
    return Machine(version, probe)


def version_supported(version: str) -> bool:
    """Strongly typed networks and the calls used here are in every TensorRT from 10.3 on."""
    parts = version.split(".")
    try:
        return (int(parts[0]), int(parts[1])) >= (10, 3)
    except (ValueError, IndexError):
        return False


def open_tensorrt(model: Path, *, threads: int | None, prove: Prove | None) -> Engine:
    """The engine of an ONNX file on this machine; built, which takes minutes, where the cache has none that fits."""
    used = 1 if threads is None else threads
    if not 1 <= used <= MOST_THREADS:
        raise BundleError(f"threads must be 1 to {MOST_THREADS}, got {threads}")
    machine, folder = this_machine(), engine_folder(os.environ)
    return ready_engine(model, machine, BuildOptions(), folder, prove=prove, threads=used).engine


def ready_engine(
    model: Path,
    machine: Machine,
    options: BuildOptions,
    folder: Path,
    *,
    prove: Prove | None,
    threads: int = 1,
    any_options: bool = True,
    say: Say | None = None,
    toolchain: Toolchain | None = None,
) -> Ready:
    """An engine for `model`, from `folder` or built. One that nobody can `prove` is not kept.

    With `any_options` one that was compiled with other `options` will do. One process builds, the others wait for it.
    """
    say = say or _to_stderr
    tools = toolchain or _real(threads)
    data = _read(model)
    key = engine_key(sha256_bytes(data), machine.tensorrt, machine.probe, options)
    work = _Work(data, key, folder, tools, prove, say)
    unkept = "nothing proves it" if prove is None else f"'{folder}' cannot be written"
    if prove is None or not writable(folder):
        say(f"an engine that is built now is not kept: {unkept}")
        return work.found(any_options=any_options) or work.build_only()
    with only_builder(folder / key.file, say):
        return work.found(any_options=any_options) or work.build_and_keep()


@dataclass
class _Work:
    """One request for an engine, while it is being answered."""

    data: bytes
    key: EngineKey
    folder: Path
    tools: Toolchain
    prove: Prove | None
    say: Say
    unfit: list[Unfit] = field(default_factory=list)

    def found(self, *, any_options: bool) -> Ready | None:
        """An engine from the cache that loads; what was wrong with the others is said and kept."""
        if not self.folder.is_dir():
            return None
        file, unfit = find_engine(self.folder, self.key, any_options=any_options)
        self.unfit += unfit
        engine = self._loaded(file) if file else None
        for bad in self.unfit:
            self.say(f"{bad.path.name} is not used: {bad.reason}")
        if file is None or engine is None:
            return None
        return Ready(engine, file.path, None, self.key, file.facts, tuple(self.unfit))

    def build_only(self) -> Ready:
        """Built for this process alone."""
        built = self._built()
        engine = self.tools.load(built.engine, self._facts())
        return Ready(engine, None, built, self.key, {}, tuple(self.unfit))

    def build_and_keep(self) -> Ready:
        """Built, read back, proven by the golden images, and only then put in its place."""
        built = self._built()
        made: list[Engine] = []

        def golden(payload: bytes) -> dict[str, Any]:
            made.append(self.tools.load(payload, self._facts()))
            return {"golden_gap": self.prove(made[0]) if self.prove else None}

        kept = keep(self.folder / self.key.file, self.key.document, built.engine, golden)
        keep_timings(self.folder, self.key, built.timings)
        return Ready(made[0], kept.path, built, self.key, kept.facts, tuple(self.unfit))

    def _built(self) -> Built:
        self.say(
            f"building an engine for {self.key.gpu} with TensorRT {self.key.tensorrt}: this takes minutes"
        )
        known = timings(self.folder, self.key, self.say)
        return self.tools.build(self.data, self.key.options, known)

    def _loaded(self, file: CachedFile) -> Engine | None:
        """What it answers is held against the golden images even though its bytes are sound: drivers change."""
        try:
            engine = self.tools.load(file.payload, {**self._facts(), "engine_file": file.path.name})
            if self.prove:
                self.prove(engine)
        except (EngineError, TamperedBundle) as error:
            self.unfit.append(Unfit(file.path, str(error)))
            return None
        return engine

    def _facts(self) -> dict[str, Any]:
        return {"gpu": self.key.gpu, "driver": self.key.driver, "engine_file": self.key.file}


def _real(threads: int) -> Toolchain:
    def build(model: bytes, options: BuildOptions, known: bytes) -> Built:
        return build_engine(model, options, timings=known)

    def load(payload: bytes, facts: Mapping[str, Any]) -> Engine:
        from deploy.edge.engines.tensorrt import TensorRt

        return TensorRt(payload, threads=threads, facts=facts)

    return Toolchain(build, load)


def _read(model: Path) -> bytes:
    try:
        return model.read_bytes()
    except OSError as error:
        raise BundleError(f"no model file '{model}': is this a bundle?") from error


def _unavailable(reason: str, remedy: str = ELSEWHERE) -> EngineUnavailable:
    return EngineUnavailable("TensorRT", reason, remedy)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)
