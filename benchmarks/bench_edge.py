"""What the device's runtime costs over the bare network, and how long until its first answer.

Overhead: `Inspector.verdict` (preprocess, engine, decision; log off) against `cv2.resize` plus a bare
`InferenceSession.run` with the same options on the same decoded image, in pairs that take turns at going first. Cold
start: a new process from nothing to the first answer, imports, hashes and golden self-test included.

Usage: python benchmarks/bench_edge.py [BUNDLE] [--pairs 4000]
Without a bundle one is made: the graph of SqueezeNet at 96 px with random weights, over generated images.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from machine import write_result

from deploy.edge.bundle import load_golden, open_bundle
from deploy.edge.cold_start import measure_cold_start
from deploy.edge.engines.base import default_threads
from deploy.edge.inspector import Inspector
from deploy.edge.spec import Decision, Preprocessing
from deploy.export.bundle_writer import BundleSpec
from deploy.export.release import export_bundle
from inspection.config import ChecksConfig, DataConfig, SplitConfig, SyntheticConfig
from inspection.data.ingest import ingest
from inspection.data.own_split import place
from inspection.models.graph import DeployGraph
from inspection.models.registry import build_student
from inspection.store import Store

STUDENTS = {"squeezenet 96 px": ("squeezenet", 96), "plumbnet_s 128 px": ("plumbnet_s", 128)}
COLD_STARTS = 11
WARM_UP = 200
Pixels = npt.NDArray[np.uint8]


def made(name: str, folder: Path) -> Path:
    """A bundle around random weights: time does not depend on them."""
    architecture, side = STUDENTS[name]
    data = DataConfig(
        kind="synthetic", ok_class="ok", synthetic=SyntheticConfig(images_per_class=16, size=200)
    )
    store = Store(folder / "store")
    index = ingest(data, ChecksConfig(), store=store, seed=0).usable()
    index = place(index.with_columns(group=index.frame["image_id"]), SplitConfig(), seed=0)
    student = build_student(architecture, len(index.classes), image_size=side)
    graph = DeployGraph(student, student.mean, student.std, 1.0)
    spec = BundleSpec(
        "bench", index.classes, Preprocessing(side, side), Decision(ok_class="ok"), 1.0, "", {}
    )
    return export_bundle(graph, spec, index=index, store=store).folder


def paired(bundle: Path, pairs: int) -> dict[str, Any]:
    """Milliseconds of both, and of their difference, pair by pair."""
    threads = default_threads()
    inspector = Inspector.open(bundle, threads=threads)
    session = bare_session(inspector.graph, threads)
    spec = inspector.bundle.manifest.preprocessing
    size = (spec.width, spec.height)
    images = [np.ascontiguousarray(p) for p in load_golden(inspector.bundle).pixels]

    def bare(pixels: Pixels) -> object:
        resized = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        return session.run(None, {"image": resized[None]})

    runs = (bare, inspector.verdict, inspector.inspect)
    times = np.empty((pairs, len(runs)))
    for turn in range(-WARM_UP, pairs):
        pixels = images[turn % len(images)]
        for step in range(len(runs)):
            column = (turn + step) % len(runs)
            begun = time.perf_counter()
            runs[column](pixels)
            times[max(turn, 0), column] = (time.perf_counter() - begun) * 1e3
    difference = times[:, 1] - times[:, 0]
    base = float(np.median(times[:, 0]))
    return {
        "pairs": pairs,
        "threads": threads,
        "bare_median_ms": base,
        "ours_median_ms": float(np.median(times[:, 1])),
        "median_paired_difference_us": float(np.median(difference) * 1e3),
        "allowed_us": max(0.1 * base * 1e3, 80.0),
        "with_statistics_for_the_log_us": float(np.median(times[:, 2] - times[:, 0]) * 1e3),
        "difference_quartiles_us": (np.percentile(difference, [25, 75]) * 1e3).tolist(),
    }


def bare_session(model: Path, threads: int) -> ort.InferenceSession:
    """As anybody would open it, with our number of threads and our way of waiting."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def cold(bundle: Path) -> dict[str, Any]:
    """Of new processes, one after the other; the first finds the files cold in memory and is left out."""
    found = [measure_cold_start(bundle, "onnxruntime", "fp32") for _ in range(COLD_STARTS)][1:]
    times = [one.ms for one in found]
    return {
        "starts": len(times),
        "median_ms": float(np.median(times)),
        "largest_ms": max(times),
        "memory_mb": float(np.median([one.memory_mb for one in found])),
    }


def main() -> None:
    """Each bundle, then one file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", nargs="?", type=Path)
    parser.add_argument("--pairs", type=int, default=4000)
    chosen = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        bundles = {"given": chosen.bundle} if chosen.bundle else {}
        for name in STUDENTS if not bundles else ():
            bundles[name] = made(name, Path(scratch) / name.replace(" ", "_"))
        for name, bundle in bundles.items():
            found[name] = {
                "model_bytes": open_bundle(bundle).model.stat().st_size,
                "overhead": paired(bundle, chosen.pairs),
                "cold_start": cold(bundle),
            }
            print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    write_result("edge", found)


if __name__ == "__main__":
    main()
