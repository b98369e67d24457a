"""Does a backbone see a data set better after fine-tuning on its training images without labels?

Three sets, each from random weights (`none`) and from the given ImageNet weights (`given`): nearest neighbours and a
linear probe on the frozen features before and after, with the paired interval over groups of test images. Splits are
grouped and leak-free as in a run; labels are seen by the probes only. A run shows `IMAGES_SEEN` images to the network,
however many epochs that makes, so that each stays below twenty minutes on two cores.

Usage: python benchmarks/bench_self_supervision.py [SET:START ...] [--seen=N] [--subset=N]
`--subset` takes so many images (to see that it works); such figures are not written down.
Needs PLUMBLINE_TEST_ASSETS: a folder with `data/neu_det`, `data/magnetic_tile`, `data/flowers`, `weights/`.
PLUMBLINE_STORE keeps embeddings, and tunings with their checkpoints: a killed run goes on.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import RESULTS, write_result

from data_checks.contradictions import quarantine_contradictions
from data_checks.duplicates import group_duplicates
from inspection.config import ChecksConfig, DataConfig, SplitConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.splits import split
from inspection.features.extract import extract_features
from inspection.learning_config import SelfSupervisionConfig, TeacherConfig
from inspection.store import Store
from inspection.training.self_supervision import tune_backbone
from inspection.training.self_supervision_gain import tuned_teacher, tuning_gain

ROOT = Path(__file__).resolve().parents[1]
ASSETS = Path(os.environ.get("PLUMBLINE_TEST_ASSETS", ROOT.parent / "shared"))
WEIGHTS = ASSETS / "weights" / "mobilenetv2_100.imagenet.safetensors"
SETS = {
    "neu_det": DataConfig(
        kind="voc", root=ASSETS / "data" / "neu_det", label_pattern=r"^(.+)_\d+$"
    ),
    "magnetic_tile": DataConfig(
        kind="mask_pairs", root=ASSETS / "data" / "magnetic_tile", ok_class="MT_Free"
    ),
    "flowers": DataConfig(kind="folder", root=ASSETS / "data" / "flowers"),
}
SIDE = 96
SEED = 7
SPLIT = SplitConfig(test=0.4, val=0.12)
IMAGES_SEEN = 12_000
TEACHERS = {
    "none": TeacherConfig(backbone="resnet18", weights="none", image_size=SIDE),
    "given": TeacherConfig(backbone="mobilenetv2_100", weights=str(WEIGHTS), image_size=SIDE),
}
RECIPE = SelfSupervisionConfig(
    local_crops=2,
    global_scale=(0.3, 1.0),
    momentum=0.97,
    outputs=256,
    hidden=256,
    bottleneck=64,
)
"""Small heads and a teacher that follows quickly: these sets give a few hundred steps, not a hundred thousand."""
RATES = {"none": 1e-3, "given": 1e-4}
"""Given weights are only to be bent."""


def grouped(name: str, subset: int, store: Store) -> ImageIndex:
    """The usable images of a set, near-copies together, split."""
    index = quarantine_contradictions(ingest(SETS[name], ChecksConfig(), store=store, seed=0))
    usable = group_duplicates(index)[0].usable()
    if subset:
        order = np.random.default_rng(SEED).permutation(len(usable))
        chosen = np.isin(np.arange(len(usable)), order[:subset])
        usable = usable.where(chosen)
    return split(usable, SPLIT, seed=SEED)


def measure(name: str, start: str, seen: int, subset: int, store: Store) -> dict[str, Any]:
    """One set from one start."""
    index, teacher = grouped(name, subset, store), TEACHERS[start]
    config = RECIPE.model_copy(
        update={
            "epochs": max(2, round(seen / len(index.split("train")))),
            "learning_rate": RATES[start],
        }
    )
    before = extract_features(index, teacher, store=store, seed=SEED)
    began = time.perf_counter()
    tuned = tune_backbone(
        index, teacher, config, seed=SEED, folder=store.root / "tuning" / f"{name}-{start}"
    )
    seconds = time.perf_counter() - began
    after = extract_features(index, tuned_teacher(teacher, tuned), store=store, seed=SEED)
    gain = tuning_gain(index, before, after, seed=SEED)
    last = tuned.history[-1].pulse
    return {
        **json.loads(gain.to_json()),
        "backbone": tuned.backbone,
        "licence": tuned.licence,
        "epochs": config.epochs,
        "images_per_s": round(config.epochs * tuned.images / seconds, 1),
        "seconds": round(seconds, 1),
        "curve_of_validation_knn": [
            [each.epoch, round(each.knn, 4)] for each in tuned.history if each.knn is not None
        ],
        "effective_rank": [each.rank for each in tuned.history if each.rank is not None],
        "last_pulse": None if last is None else json.loads(last.to_json()),
        "resumed_from": tuned.resumed_from,
    }


def main() -> None:
    """All six, or those named; each is written down as soon as it is there."""
    options = dict(each[2:].split("=") for each in sys.argv[1:] if each.startswith("--"))
    named = [each for each in sys.argv[1:] if not each.startswith("--")]
    seen, subset = int(options.get("seen", IMAGES_SEEN)), int(options.get("subset", 0))
    target = RESULTS / "self_supervision.json"
    figures = json.loads(target.read_text())["figures"] if target.is_file() and not subset else {}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(os.environ.get("PLUMBLINE_STORE", folder)))
        for each in named or [f"{name}:{start}" for name in SETS for start in TEACHERS]:
            name, start = each.split(":")
            figures[each] = measure(name, start, seen, subset, store)
            print(each, json.dumps(figures[each], indent=2), file=sys.stderr)
            if not subset:
                write_result("self_supervision", figures)


if __name__ == "__main__":
    main()
