"""Is OpenVINO worth being one more runtime on CPU-only sites? Beside ONNX Runtime, the same files, in turns.

Batch 1, one thread each: ONNX Runtime and OpenVINO as the device opens them, and OpenVINO as it comes by itself
(`openvino_default`: on processors with BF16 it rounds FP32 graphs to that). FP32 and INT8 (U8S8) files of networks with
random weights, calibrated on real training images: enough for time, and for how far probabilities move.

Wall time is what a line waits for; processor time does not see what else the machine did. Ratios are medians of rounds.

Usage: python benchmarks/bench_openvino.py [--busy WORDS]
Needs the package `openvino` and PLUMBLINE_TEST_ASSETS with `data/neu_det`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench_export import placed
from machine import write_result

from deploy.edge.engines.openvino import library
from deploy.edge.engines.registry import open_engine
from deploy.edge.spec import FP32, Preprocessing
from deploy.export.candidates import Sources, make_candidate
from deploy.export.certificate import INT8_CPU
from deploy.export.onnx_graph import export_onnx
from deploy.export.precision.calibration import calibration_images
from inspection.data.index import ImageIndex
from inspection.models.graph import DeployGraph
from inspection.models.registry import build_student
from inspection.store import Store

NETWORKS: dict[str, tuple[str, int]] = {
    "plumbnet_s at 64": ("plumbnet_s", 64),
    "squeezenet at 96": ("squeezenet", 96),
    "mobilenetv2_100 at 224": ("timm:mobilenetv2_100", 224),
    "resnet18 at 224": ("timm:resnet18", 224),
    "DINOv2 ViT-S at 224": ("timm:vit_small_patch14_dinov2", 224),
}
ROUNDS = 200
MIN_ROUNDS = 40
MAX_SECONDS = 40.0
RUNS = 3
IMAGES = 32
SETTLE_SECONDS = 0.002
THREADS = 1
Run = Callable[[Any], Any]


def as_opened(engine: str, model: Path) -> Run:
    """As the device opens it."""
    opened = open_engine(engine, model, threads=THREADS)
    return lambda image: opened.run(image).probabilities


def by_itself(model: Path) -> Run:
    """OpenVINO told nothing but the threads and that latency counts; its inference request kept."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": THREADS}
    request = library().Core().compile_model(model, "CPU", settings).create_infer_request()
    return lambda image: np.array(request.infer({"image": image})["probabilities"])


def timed(model: Path, images: Any) -> dict[str, Any]:
    """Median milliseconds of each, how many times as fast OpenVINO is, and how far its probabilities are off."""
    runs = {
        "onnxruntime": as_opened("onnxruntime", model),
        "openvino": as_opened("openvino", model),
        "openvino_default": by_itself(model),
    }
    answers = {
        name: np.concatenate([run(image[None]) for image in images]) for name, run in runs.items()
    }
    table = in_turns(runs, images)
    middle = np.median(table, axis=0)
    found: dict[str, Any] = {"rounds": len(table), "onnxruntime_ms": float(middle[0, 0])}
    for k, name in enumerate(runs):
        if k:
            ratio = np.median(table[:, 0] / table[:, k], axis=0)
            low, high = np.percentile(table[:, 0, 0] / table[:, k, 0], [25, 75])
            found[name] = {
                "ms": float(middle[k, 0]),
                "times_as_fast": float(ratio[0]),
                "quartiles": [float(low), float(high)],
                "times_as_fast_in_processor_time": float(ratio[1]),
                "max_delta": float(np.abs(answers[name] - answers["onnxruntime"]).max()),
            }
    return found


def in_turns(runs: dict[str, Run], images: Any) -> Any:
    """Milliseconds (rounds, contenders, wall and processor); each round is begun by another."""
    rows: list[list[tuple[float, float]]] = []
    names, started = list(runs), time.perf_counter()
    while len(rows) < ROUNDS and (
        len(rows) < MIN_ROUNDS or time.perf_counter() - started < MAX_SECONDS
    ):
        first = len(rows) % len(names)
        image = images[len(rows) % len(images)][None]
        row = {name: _turn(runs[name], image) for name in (*names[first:], *names[:first])}
        rows.append([row[name] for name in names])
    return np.array(rows)


def _turn(run: Run, image: Any) -> tuple[float, float]:
    time.sleep(SETTLE_SECONDS)
    run(image)  # back into the caches
    spent = []
    for _ in range(RUNS):
        wall, processor = time.perf_counter(), time.process_time()
        run(image)
        spent.append(((time.perf_counter() - wall) * 1e3, (time.process_time() - processor) * 1e3))
    middle = np.median(spent, axis=0)
    return float(middle[0]), float(middle[1])


def files_of(name: str, index: ImageIndex, folder: Path) -> tuple[dict[str, Path], Any]:
    """The network's graphs by precision, and preprocessed training images."""
    architecture, side = NETWORKS[name]
    sizes = Preprocessing(side, side)
    student = build_student(architecture, len(index.classes), image_size=side)
    graph = DeployGraph(student, student.mean, student.std, 1.0)
    folder.mkdir()
    fp32 = export_onnx(graph, sizes, folder / f"{FP32}.onnx")
    calibration = calibration_images(index, sizes, count=64)
    made = make_candidate(INT8_CPU, Sources(fp32, calibration, folder))
    files = {FP32: fp32, **({INT8_CPU: made.file} if made.file else {})}
    return files, calibration.images[:IMAGES]


def main() -> None:
    """Every network, then one file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), metavar="NETWORK")
    parser.add_argument("--busy", default="nothing", help="what else the machine did")
    chosen = parser.parse_args()
    found: dict[str, Any] = {"threads": THREADS, "beside": chosen.busy}
    with tempfile.TemporaryDirectory() as scratch:
        index = placed("neu_det", Store(Path(scratch) / "store"))
        for name in chosen.networks:
            files, images = files_of(name, index, Path(scratch) / name.replace(" ", "_"))
            found[name] = {precision: timed(file, images) for precision, file in files.items()}
            print(name, found[name], file=sys.stderr, flush=True)
    found["openvino"] = str(library().get_version())
    write_result("openvino", found)


if __name__ == "__main__":
    main()
