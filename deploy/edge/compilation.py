"""A bundle's TensorRT engine, built on the machine that will run it: for the device's command and for the workshop."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.edge.bundle import Bundle, self_test
from deploy.edge.engines.tensorrt_cache import Say, engine_folder
from deploy.edge.engines.tensorrt_key import BuildOptions
from deploy.edge.engines.tensorrt_ready import Machine, Toolchain, ready_engine, this_machine
from deploy.edge.errors import PlumblineError

ENGINE = "tensorrt"


@dataclass(frozen=True)
class Compilation:
    """The engine at `path`, golden-tested; `seconds` is None where it was found in the cache."""

    path: Path
    variant: str
    target: str
    golden_gap: float
    seconds: float | None


def compile_bundle(
    bundle: Bundle,
    *,
    say: Say,
    variant: str | None = None,
    options: BuildOptions | None = None,
    cache: Path | None = None,
    machine: Machine | None = None,
    toolchain: Toolchain | None = None,
) -> Compilation:
    """Build, prove and keep the engine; EngineUnavailable says exactly what this machine lacks for it.

    `variant` left open is the one that the bundle's plan names for TensorRT, `cache` the folder that opening an engine
    looks into. `machine` and `toolchain` are this machine's own unless a test says otherwise.
    """
    chosen = variant or bundle.manifest.plan(ENGINE).variant
    graph, folder = bundle.graph(chosen), cache or engine_folder(os.environ)
    ready = ready_engine(
        graph,
        machine or this_machine(),
        options or BuildOptions(),
        folder,
        prove=partial(self_test, bundle, variant=chosen),
        any_options=False,
        say=say,
        toolchain=toolchain,
    )
    if ready.path is None:
        raise PlumblineError(
            f"the engine was built and cannot be kept in '{folder}': give another --cache"
        )
    key = ready.key
    return Compilation(
        path=ready.path,
        variant=chosen,
        target=f"{key.gpu}, TensorRT {key.tensorrt}, driver {key.driver}",
        golden_gap=float(ready.facts["golden_gap"]),
        seconds=ready.built.seconds if ready.built else None,
    )
