"""Does the monitor stay silent on the trained product, and speak when light, focus or product change?

For each set: its config is run once; then its frozen test images, which neither training nor the drift reference has
seen, are given to `plumbline-edge predict` and `plumbline monitor` as they are, darkened by 15 of 255 grey levels, at
half their light, blurred, and exchanged for another product's. Then smaller batches are drawn from the same
predictions, many times. Batches of one test set overlap: a rate belongs to this test set, its spread does not cover
another one.

Needs PLUMBLINE_TEST_ASSETS for the real sets; name sets on the command line to measure only those.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bench_real_data import ASSETS, ROOT, WEIGHTS
from machine import write_result

from data_checks.drift import detect_drift
from data_checks.drift_reference import DriftReference
from data_checks.predictions import load_predictions
from deploy.edge.bundle import load_drift_reference, open_bundle
from inspection.config import MonitorConfig
from inspection.data.index import ImageIndex

SETS = ("demo", "neu_det", "magnetic_tile")
OTHER = {"demo": "neu_det/images", "neu_det": "magnetic_tile", "magnetic_tile": "neu_det/images"}
SHIFTS: Mapping[str, Callable[[Any], Any]] = {
    "as it is": lambda pixels: pixels,
    "15 grey levels darker": lambda pixels: np.maximum(pixels, 15) - 15,
    "half as bright": lambda pixels: (pixels // 2).astype(np.uint8),
    "blurred, sigma 1.5 px": lambda pixels: cv2.GaussianBlur(pixels, (0, 0), 1.5),
}
ANOTHER = "another product"
SIZES = (30, 100)
DRAWS = {True: 60, False: 20}
"""Batches per size: clean, shifted."""


@dataclass(frozen=True)
class Trained:
    """A finished run: its store, its bundle and its test images."""

    name: str
    store: Path
    bundle: Path
    test: list[Path]

    def command(self, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`plumbline` or `plumbline-edge` on this store."""
        return subprocess.run(
            [str(Path(sys.executable).parent / tool), *arguments],
            cwd=ROOT,
            env={**os.environ, "PLUMBLINE_STORE": str(self.store)},
            capture_output=True,
            text=True,
            check=False,
        )


def train(name: str, store: Path) -> Trained:
    """One run of `configs/<name>.yaml`."""
    real = [
        f"data.root={ASSETS / 'data' / name}",
        f"teacher.weights={ASSETS / 'weights' / WEIGHTS}",
    ]
    trained = Trained(name, store, Path(), [])
    changes = [] if name == "demo" else real
    done = trained.command("plumbline", "run", f"configs/{name}.yaml", *changes, "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    tables = [p for p in (store / "zenml").rglob("index.parquet") if "split_index" in str(p)]
    test = ImageIndex.load(tables[0]).split("test").paths
    return Trained(name, store, Path(json.loads(done.stdout)["bundle"]), test)


def pictures(trained: Trained, folder: Path) -> dict[str, Path]:
    """A folder of images per shift."""
    for shift, change in SHIFTS.items():
        (folder / shift).mkdir(parents=True)
        for number, path in enumerate(trained.test):
            changed = change(cv2.imread(str(path)))
            cv2.imwrite(str(folder / shift / f"{number:05d}.png"), changed)
    (folder / ANOTHER).mkdir()
    others = sorted((ASSETS / "data" / OTHER[trained.name]).rglob("*.jpg"))
    step = max(1, len(others) // len(trained.test))
    for number, path in enumerate(others[::step][: len(trained.test)]):
        (folder / ANOTHER / f"{number:05d}.jpg").symlink_to(path)
    return {shift: folder / shift for shift in [*SHIFTS, ANOTHER]}


def measure(trained: Trained, folder: Path) -> dict[str, Any]:
    """The whole test set through both commands, then batches drawn from the predictions."""
    found = {}
    for shift, images in pictures(trained, folder / "images").items():
        log = folder / "logs" / shift
        done = trained.command(
            "plumbline-edge",
            "predict",
            str(trained.bundle),
            "--unsigned",
            str(images),
            "--log",
            str(log),
        )
        assert done.returncode == 0, done.stderr[-2000:]
        said = trained.command(
            "plumbline", "monitor", f"configs/{trained.name}.yaml", str(log), "--json"
        )
        answer = json.loads(said.stdout)
        found[shift] = {
            "whole_test_set": {
                "images": len(trained.test),
                "exit_code": said.returncode,
                "drifted": answer["drifted"],
                "signals": [s["name"] for s in answer["streams"][0]["signals"] if s["drifted"]],
            },
            "share_of_batches_flagged": drawn(trained, log, clean=shift == "as it is"),
        }
        print(trained.name, shift, json.dumps(found[shift]), file=sys.stderr, flush=True)
    return found


def drawn(trained: Trained, log: Path, *, clean: bool) -> dict[str, Any]:
    """Batches drawn without replacement; by size, how many of how many were flagged."""
    bundle = open_bundle(trained.bundle)
    reference = DriftReference.from_arrays(load_drift_reference(bundle))
    predictions = load_predictions(log)
    dice = np.random.default_rng(0)
    shares: dict[str, Any] = {}
    for size in SIZES:
        flagged = 0
        for _ in range(DRAWS[clean]):
            rows = predictions.iloc[dice.choice(len(predictions), size, replace=False)]
            flagged += detect_drift(
                rows, reference, MonitorConfig(), bundle.manifest.classes
            ).drifted
        shares[f"{size} images"] = {"flagged": flagged, "of": DRAWS[clean]}
    return shares


def main() -> None:
    """Every set that was asked for."""
    names = sys.argv[1:] or SETS
    figures = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            trained = train(name, Path(folder) / "store")
            figures[name] = measure(trained, Path(folder))
    write_result("drift", figures)


if __name__ == "__main__":
    main()
