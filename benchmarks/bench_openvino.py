"""Is OpenVINO worth being one more runtime on CPU-only sites? Beside ONNX Runtime, the same files, in turns.

Batch 1, latency hint against our session options, with one thread and with all; FP32 and INT8 (U8S8) files of
`bench_export.py --keep FOLDER`. Needs the packages `openvino` and `onnxruntime` in the environment that runs it
(OpenVINO is no dependency of Plumbline).

Usage: python benchmarks/bench_openvino.py FOLDER
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from machine import write_result

ROUNDS = 100
MAX_SECONDS = 20.0
RUNS = 3
SETTLE_SECONDS = 0.002
PRECISIONS = ("fp32", "int8_cpu")
Run = Callable[[Any], Any]


def by_onnxruntime(model: Path, threads: int) -> Run:
    """As the device opens it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"image": image})


def by_openvino(model: Path, threads: int) -> Run:
    """Compiled for latency, its inference request kept."""
    core = importlib.import_module("openvino").Core()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    request = core.compile_model(str(model), "CPU", settings).create_infer_request()
    return lambda image: request.infer({"image": image})


def timed(model: Path, threads: int) -> dict[str, Any]:
    """Median milliseconds of each, and how many times as fast OpenVINO is, round by round."""
    runs = {"onnxruntime": by_onnxruntime(model, threads), "openvino": by_openvino(model, threads)}
    shape = (
        ort.InferenceSession(str(model), providers=["CPUExecutionProvider"]).get_inputs()[0].shape
    )
    image = np.random.default_rng(0).integers(0, 256, (1, *shape[1:]), dtype=np.uint8)
    times: list[list[float]] = []
    started = time.perf_counter()
    while len(times) < ROUNDS and (len(times) < 20 or time.perf_counter() - started < MAX_SECONDS):
        order = list(runs) if len(times) % 2 else list(runs)[::-1]
        row = {name: _turn(runs[name], image) for name in order}
        times.append([row[name] for name in runs])
    table = np.array(times)
    return {
        "rounds": len(table),
        "onnxruntime_ms": float(np.median(table[:, 0])),
        "openvino_ms": float(np.median(table[:, 1])),
        "openvino_times_as_fast": float(np.median(table[:, 0] / table[:, 1])),
    }


def _turn(run: Run, image: Any) -> float:
    time.sleep(SETTLE_SECONDS)
    run(image)
    spent = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        run(image)
        spent.append((time.perf_counter() - begun) * 1e3)
    return float(np.median(spent))


def main() -> None:
    """Every network that is there, then one file."""
    most = len(os.sched_getaffinity(0))
    found: dict[str, Any] = {"openvino": importlib.import_module("openvino").__version__}
    for network in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
        for precision in PRECISIONS:
            model = network / f"{precision}.onnx"
            for threads in sorted({1, most}) if model.is_file() else ():
                name = f"{network.name} {precision} {threads} threads"
                found[name] = timed(model, threads)
                print(name, found[name], file=sys.stderr, flush=True)
    write_result("openvino", found)


if __name__ == "__main__":
    main()
