"""Feature extraction beside the network's own forward loop, and the rate of a second run that finds all in the cache.

Three loops over the same Magnetic-tile images in turns, in one process with all its cores:

* `extraction`: files to vectors in a fresh store, as a run does it (decode, resize, forward, pooling, write);
* `bare`: the same frozen module on prepared normalised batches that lie in memory, torch's own threads: no file, no
  decoding, no cache. The promise is held against this one;
* `bare_split`: prepared batches too, but each core with its own batches as extraction does: what decoding alone costs.

Medians over rounds of images/s and of processor seconds per image, which other work on the machine disturbs less.
MobileNetV2 with given weights and default pooling; DINOv2 ViT-S/14 with random weights, class token and patches.

The second run reads 20,000 vectors whose images do not exist: ids, paths and sizes come from the index alone.

Needs PLUMBLINE_TEST_ASSETS: a folder with `data/magnetic_tile` and `weights/`. About five minutes on two quiet cores;
`--images 64 --rounds 3` for a first look.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import write_result

from inspection.data.index import ImageIndex
from inspection.features.backbone import Backbone, load_backbone, normalised
from inspection.features.cache import FeatureCache
from inspection.features.device import use_own_cores
from inspection.features.extract import (
    _recipe,
    compute_features,
    extract_features,
    teacher_preprocessing,
)
from inspection.features.images import read_batch
from inspection.features.known import KnownBackbones
from inspection.features.memory import CPU_MOST
from inspection.features.orientation import UPRIGHT
from inspection.learning_config import TeacherConfig
from inspection.parallel import in_order
from inspection.store import Store

ROOT = Path(__file__).resolve().parents[1]
ASSETS = Path(os.environ.get("PLUMBLINE_TEST_ASSETS", ROOT.parent / "shared"))
MOBILENET = TeacherConfig(
    backbone="mobilenetv2_100",
    weights=str(ASSETS / "weights" / "mobilenetv2_100.imagenet.safetensors"),
)
DINOV2 = TeacherConfig(backbone="dinov2_vits14", pooling="cls+patches")
CACHED = 20_000


def images(count: int) -> ImageIndex:
    """The first images of each class in turn, named by their content."""
    root = ASSETS / "data" / "magnetic_tile"
    files = sorted(root.rglob("*.jpg"), key=lambda path: path.name)[:count]
    rows = [
        {
            "path": path.relative_to(root).as_posix(),
            "image_id": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in files
    ]
    return ImageIndex.from_rows(root, rows)


def prepared(backbone: Backbone, index: ImageIndex, size: int) -> list[torch.Tensor]:
    """Normalised batches in memory, channels last as the network has them."""
    pixels = read_batch(index.paths, teacher_preprocessing(backbone.info))
    batches = [torch.from_numpy(pixels[i : i + size]) for i in range(0, len(pixels), size)]
    return [normalised(batch, backbone.info.mean, backbone.info.std) for batch in batches]


def bare(backbone: Backbone, batches: list[torch.Tensor]) -> None:
    with torch.inference_mode():
        for batch in batches:
            backbone.module(batch)


def bare_split(backbone: Backbone, batches: list[torch.Tensor]) -> None:
    threads = torch.get_num_threads()

    def work(batch: torch.Tensor) -> None:
        torch.set_num_threads(1)
        with torch.inference_mode():
            backbone.module(batch)

    for _ in in_order(work, batches, workers=threads):
        pass
    torch.set_num_threads(threads)


def extraction(backbone: Backbone, index: ImageIndex, config: TeacherConfig) -> None:
    """As a run does it once its network is built: files to vectors, written to the cache."""
    files = dict(zip(index.frame["image_id"], index.paths, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        found = compute_features(backbone, files, config, store=Store(Path(folder)), seed=0)
    assert len(found) == len(files)


def timed(loop: Callable[[], None], count: int) -> tuple[float, float]:
    """Images per second, processor milliseconds per image."""
    wall, processor = time.perf_counter(), time.process_time()
    loop()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return count / wall, 1e3 * processor / count


def throughput(config: TeacherConfig, count: int, rounds: int) -> dict[str, Any]:
    """All loops in turns; ratios are medians of the rounds' own ratios."""
    index = images(count)
    backbone = load_backbone(config, seed=0)
    size = int(config.batch_size)
    each = min(CPU_MOST, math.ceil(min(size, len(index)) / torch.get_num_threads()))
    whole, split = prepared(backbone, index, size), prepared(backbone, index, each)
    loops: dict[str, Callable[[], None]] = {
        "bare": lambda: bare(backbone, whole),
        "extraction": lambda: extraction(backbone, index, config),
        "bare_split": lambda: bare_split(backbone, split),
    }
    bare(backbone, whole[:1])
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            seen[name].append(timed(loop, len(index)))
    return {**summary(seen), "images": len(index), "rounds": rounds}


def summary(seen: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    def median(values: list[float]) -> float:
        return round(statistics.median(values), 3)

    figures: dict[str, Any] = {}
    for name, pairs in seen.items():
        figures[name] = {
            "images_per_second": median([rate for rate, _ in pairs]),
            "processor_ms_per_image": median([cost for _, cost in pairs]),
        }
    for other in ("bare", "bare_split"):
        pairs = list(zip(seen["extraction"], seen[other], strict=True))
        figures[f"extraction_to_{other}"] = median([own[0] / its[0] for own, its in pairs])
        figures[f"{other}_to_extraction_processor_time"] = median(
            [its[1] / own[1] for own, its in pairs]
        )
    return figures


def second_run(rounds: int) -> dict[str, Any]:
    """Embeddings per second out of the cache, index in memory, from the call to the matrix."""
    config, rng = MOBILENET, np.random.default_rng(0)
    names = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(CACHED)]
    rows = [{"image_id": name, "path": f"gone/{name}.png"} for name in names]
    index = ImageIndex.from_rows(Path("gone"), rows)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        info = load_backbone(config, seed=0).info
        KnownBackbones(store.features / "backbones").keep(config, info, seed=0, device="cpu")
        cache = FeatureCache(store.features, _recipe(info, UPRIGHT))
        for first in range(0, CACHED, 256):
            part = names[first : first + 256]
            cache.write(part, rng.random((len(part), info.embedding_size), dtype=np.float32))
        rates = []
        for _ in range(rounds):
            started = time.perf_counter()
            found = extract_features(index, config, store=store, seed=0, device="cpu")
            rates.append(CACHED / (time.perf_counter() - started))
            assert found.matrix.shape == (CACHED, info.embedding_size)
    return {
        "embeddings": CACHED,
        "numbers_each": info.embedding_size,
        "embeddings_per_second": round(statistics.median(rates)),
    }


def main() -> None:
    """All three; fails below the promised figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--dinov2-images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    use_own_cores()
    figures = {
        "second_run": second_run(asked.rounds),
        "mobilenetv2_100": throughput(MOBILENET, asked.images, asked.rounds),
        "dinov2_vits14": throughput(DINOV2, asked.dinov2_images, asked.rounds),
    }
    write_result("features", figures)
    assert figures["second_run"]["embeddings_per_second"] >= 5_000
    assert figures["mobilenetv2_100"]["extraction_to_bare"] >= 0.9
    assert figures["dinov2_vits14"]["extraction_to_bare"] >= 0.9


if __name__ == "__main__":
    main()
