"""A million images on one machine: read, killed, resumed, checked, split, deduplicated, and all of it taken back.

The images are small (64 x 64, smooth noise), so that files, rows and searches are measured and not decoding; of 100
images two are byte copies and two are re-captures of the one before. Every command is the real one, in a process of its
own; its memory is the largest sum over its processes. The reading is killed once, half-way, and started again.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from machine import write_result
from watched import run

PLUMBLINE = Path(sys.executable).with_name("plumbline")
SIDE, COARSE, QUALITY = 64, 12, 90
IN_FOLDER, CLASSES = 1_000, 6
COPY, RECAPTURE = 0.02, 0.04
"""Below the first a byte copy of the image before, below the second a re-capture of it."""
HIGHEST_GB = 8.0


def make(root: Path, count: int) -> dict[str, int]:
    """Write the images; how many there are of each kind."""
    rng = np.random.default_rng(0)
    kinds = {"copies": 0, "recaptures": 0}
    image, data = np.zeros((SIDE, SIDE), np.uint8), b""
    for n in range(count):
        place = n % IN_FOLDER
        if place == 0:
            folder = root / f"class{n // IN_FOLDER % CLASSES}" / f"{n // IN_FOLDER:05}"
            folder.mkdir(parents=True)
        chance = rng.random() if place else 1.0
        if chance < COPY:
            kinds["copies"] += 1
        else:
            if chance < RECAPTURE:
                kinds["recaptures"] += 1
                image = cv2.convertScaleAbs(image, alpha=0.95, beta=2)
            else:
                coarse = rng.integers(0, 255, (COARSE, COARSE), np.uint8)
                image = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
        (folder / f"{n:07}.jpg").write_bytes(data)
    return kinds


def measured(folder: Path, *arguments: str) -> dict[str, Any]:
    """One command: seconds, memory, its last lines; it has to succeed."""
    done = run([str(PLUMBLINE), "data", *arguments], environment=dict(os.environ), folder=folder)
    if done.code != 0:
        raise SystemExit(f"{' '.join(arguments)} ended with {done.code}: {done.stderr[-2000:]}")
    seconds, gigabytes = round(done.seconds, 1), round(done.peak_bytes / 2**30, 2)
    print(f"{arguments[0]}: {seconds} s, {gigabytes} GB", file=sys.stderr, flush=True)
    said = [line for line in done.stdout.splitlines() if line.strip()]
    return {"seconds": seconds, "peak_memory_gb": gigabytes, "said": said[-4:]}


def killed(folder: Path, count: int) -> dict[str, Any]:
    """The reading, killed as soon as half of the images are kept; how far it was."""
    started = time.perf_counter()
    command = [str(PLUMBLINE), "data", "import", "images", "--out", "index.parquet"]
    child = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    lines = 0
    while lines < count // 2 and child.poll() is None:
        time.sleep(0.5)
        kept = [path.read_bytes().count(b"\n") for path in folder.rglob("unfinished/*.jsonl")]
        lines = sum(kept)
    child.send_signal(signal.SIGKILL)
    child.wait()
    return {"seconds": round(time.perf_counter() - started, 1), "rows_kept": lines}


def main() -> None:
    """Everything, in a folder that goes again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--name", default="scale", help="of the file in results")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = make(folder / "images", chosen.images)
        figures: dict[str, Any] = {"images": chosen.images, **kinds}
        figures["import_killed"] = killed(folder, chosen.images)
        figures["import_resumed"] = measured(folder, "import", "images", "--out", "index.parquet")
        before = (folder / "index.parquet").read_bytes()
        for step in ("check", "dedupe"):
            figures[step] = measured(folder, step, "index.parquet")
        figures["apply"] = measured(folder, "apply", "index.parquet", "index.dedupe.json")
        figures["split"] = measured(folder, "split", "index.parquet")
        figures["revert"] = measured(folder, "revert", "index.parquet")
        figures["revert_again"] = measured(folder, "revert", "index.parquet")
        after = (folder / "index.parquet").read_bytes()
    figures["promises"] = {
        "reverted byte for byte": before == after,
        f"no command needs {HIGHEST_GB:g} GB": all(
            step.get("peak_memory_gb", 0.0) < HIGHEST_GB
            for step in figures.values()
            if isinstance(step, dict)
        ),
    }
    write_result(chosen.name, figures)
    if not all(figures["promises"].values()):
        raise SystemExit(f"a promise is broken: {figures['promises']}")


if __name__ == "__main__":
    main()
