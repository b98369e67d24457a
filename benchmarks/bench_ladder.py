"""What distillation keeps, what it adds, and what it saves: NEU-DET, three seeds, one frozen grouped test set.

The teacher is a head on frozen MobileNetV2 features (weights from a local file). Students of at most a million
parameters, each from the same start with and without the teacher, one from nothing beside it. Differences are paired,
image by image, with groups and seeds resampled; latency is measured in ONNX Runtime, in turns with DINOv2 ViT-S at
224 px (random weights: its time does not depend on them), from decoded pixels to probabilities, batch 1, two threads.
Settings were chosen on validation images. Needs PLUMBLINE_TEST_ASSETS: a folder with `data/neu_det` and `weights/`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import RESULTS, write_result

from data_checks.contradictions import quarantine_contradictions
from data_checks.duplicates import group_duplicates
from deploy.edge.decode import read_image
from deploy.edge.engines.registry import open_engine
from deploy.edge.preprocess import preprocess
from deploy.edge.spec import Preprocessing
from deploy.export.onnx_graph import export_onnx
from deploy.export.side_by_side import teacher_contender
from inspection.config import ChecksConfig, DataConfig, SplitConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.own_split import place
from inspection.data.test_set import TestSet, freeze
from inspection.evaluation.answers import evaluate_rows
from inspection.evaluation.comparison import compare
from inspection.evaluation.latency import Contender, Latency, Pixels, measure
from inspection.evaluation.metrics import Evaluation
from inspection.evaluation.recipes import Recipe, RecipeCost
from inspection.features.extract import Features, extract_features
from inspection.learning_config import StudentConfig, TeacherConfig
from inspection.models.graph import DeployGraph
from inspection.models.heads import Teacher
from inspection.models.registry import build_student
from inspection.models.student_files import load_student
from inspection.store import Store
from inspection.training.second_looks import Eyes
from inspection.training.student import predict_student, train_student
from inspection.training.teacher import train_teacher

ROOT = Path(__file__).resolve().parents[1]
ASSETS = Path(os.environ.get("PLUMBLINE_TEST_ASSETS", ROOT.parent / "shared"))
WEIGHTS = ASSETS / "weights"
DATA = DataConfig(kind="voc", root=ASSETS / "data" / "neu_det", label_pattern=r"^(.+)_\d+$")
SPLIT = SplitConfig(test=0.40, val=0.15)
TEACHER = TeacherConfig(
    backbone="mobilenetv2_100", weights=str(WEIGHTS / "mobilenetv2_100.imagenet.safetensors")
)
GIVEN = str(WEIGHTS / "squeezenet1_1.imagenet.safetensors")
WARM: dict[str, Any] = {
    "architecture": "squeezenet",
    "weights": GIVEN,
    "epochs": 14,
    "batch_size": 32,
    "learning_rate": 5e-4,
    "distill_features": 1.0,
    "patience": 14,
}
ALONE: dict[str, Any] = {"distill_logits": 0.0, "distill_features": 0.0}
NOTHING: dict[str, Any] = {"weights": "none", "epochs": 40, "patience": 40}
SMALL: dict[str, Any] = {
    **WARM,
    **NOTHING,
    "architecture": "plumbnet_s",
    "learning_rate": 2e-3,
    "epochs": 60,
    "patience": 60,
}
STARTS: dict[str, StudentConfig] = {
    "squeezenet 128 px": StudentConfig(**WARM, image_size=128),
    "squeezenet 96 px": StudentConfig(**WARM, image_size=96),
    "squeezenet 96 px, from nothing": StudentConfig(**{**WARM, **NOTHING}, image_size=96),
    "squeezenet 64 px": StudentConfig(**WARM, image_size=64),
    "plumbnet_s 64 px, from nothing": StudentConfig(**SMALL, image_size=64),
}
STUDENTS: dict[str, StudentConfig] = {
    f"{name}{alone}": config.model_copy(update=changes)
    for name, config in STARTS.items()
    for alone, changes in (("", {}), (", no teacher", ALONE))
}
"""Each from the same start with and without the teacher."""
CONSISTENT: dict[str, StudentConfig] = {
    f"{name}, same views": config.model_copy(update={"consistent": True})
    for name, config in STARTS.items()
}
"""And with a teacher that sees the views that the student is shown; tried where they are named (`--students`)."""
EVERY = STUDENTS | CONSISTENT
LARGE = ("timm:vit_small_patch14_dinov2", 224)
THREADS = 2


def prepared(store: Store) -> tuple[ImageIndex, TestSet]:
    """The grouped split with 40 % of the groups in its test set."""
    index = quarantine_contradictions(ingest(DATA, ChecksConfig(), store=store, seed=0))
    grouped, _ = group_duplicates(index)
    split = place(grouped, SPLIT, seed=0)
    return split, freeze(split, name="neu_det")


def taught(
    index: ImageIndex,
    features: Features,
    test_set: TestSet,
    seed: int,
    names: list[str],
    at: Path,
    eyes: Eyes,
) -> tuple[Teacher, dict[str, tuple[Evaluation, float]]]:
    """The teacher; it and the students of one seed on the test set, and the seconds that each training took."""
    test = index.split("test")
    started = time.perf_counter()
    teacher = train_teacher(index, features, TEACHER, seed=seed).teacher
    rows = features.rows([str(name) for name in test.frame["image_id"]])
    answers = {"teacher": (teacher.probabilities(rows), time.perf_counter() - started)}
    for name in names:
        started = time.perf_counter()
        folder = at / f"{name} {seed}"
        result = train_student(
            index, features, teacher, EVERY[name], seed=seed, folder=folder, eyes=eyes
        )
        seconds = time.perf_counter() - started
        logits = predict_student(folder, test).logits / result.validation.temperature
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        answers[name] = (raised / raised.sum(axis=1, keepdims=True), seconds)
        print(f"seed {seed}: {name}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return teacher, {
        name: (evaluate_rows(name, test, found, index.classes, test_digest=test_set.digest), took)
        for name, (found, took) in answers.items()
    }


def timed(
    index: ImageIndex, teacher: Teacher, names: list[str], seed: int, at: Path
) -> dict[str, Latency]:
    """All networks in turns: the teacher in torch, the others in the device's runtime."""
    torch.set_num_threads(THREADS)
    contenders = {"teacher": teacher_contender(teacher, TEACHER, seed=0, threads=THREADS)}
    for name in names:
        student, card = load_student(at / f"{name} {seed}")
        graph = DeployGraph(student, card.mean, card.std, card.temperature)
        contenders[name] = contender(graph, card.preprocessing, at / f"{name}.onnx")
    architecture, side = LARGE
    large = build_student(architecture, len(index.classes), image_size=side)
    graph = DeployGraph(large, large.mean, large.std, 1.0)
    cut = Preprocessing(side, side, "stretch")
    contenders["DINOv2 ViT-S 224 px"] = contender(graph, cut, at / "large.onnx")
    images = [read_image(path).pixels for path in index.split("test").paths[:16]]
    return measure(contenders, images, repetitions=200, max_seconds=90)


def contender(graph: Any, cut: Preprocessing, target: Path) -> Contender:
    """An exported graph, run as a device runs it."""
    engine = open_engine("onnxruntime", export_onnx(graph, cut, target), threads=THREADS)
    parameters = sum(tensor.numel() for tensor in graph.parameters())

    def run(pixels: Pixels) -> object:
        return engine.run(preprocess(pixels, cut)[None])

    return Contender(run, "onnxruntime", THREADS, parameters, target.stat().st_size)


def renew_times(name: str) -> None:
    """Latency of every start in turns with DINOv2, into the results of a run whose machine was busy."""
    torch.set_num_threads(THREADS)
    held = json.loads((RESULTS / f"{name}.json").read_text())["figures"]
    index, _ = prepared(Store(Path(os.environ.get("PLUMBLINE_STORE", tempfile.mkdtemp()))))
    shapes = {key: (one.architecture, one.image_size) for key, one in STARTS.items()}
    shapes["DINOv2 ViT-S 224 px"] = LARGE
    with tempfile.TemporaryDirectory() as folder:
        contenders = {}
        for key, (architecture, side) in shapes.items():
            student = build_student(architecture, len(index.classes), image_size=side)
            graph = DeployGraph(student, student.mean, student.std, 1.0)
            at = Path(folder) / f"{len(contenders)}.onnx"
            contenders[key] = contender(graph, Preprocessing(side, side), at)
        images = [read_image(path).pixels for path in index.split("test").paths[:16]]
        times = measure(contenders, images, repetitions=300, max_seconds=120)
    write_result(name, {**held, "latency": latency_table(times)})


def recipes(
    found: Mapping[int, Mapping[str, tuple[Evaluation, float]]], times: Mapping[str, Latency]
) -> list[Recipe]:
    """By name, its seeds together."""
    seeds = tuple(found)
    made = []
    for name in found[seeds[0]]:
        cost = RecipeCost(
            parameters=times[name].parameters,
            trained_parameters=None,
            bytes=times[name].bytes,
            latency_ms=times[name].median_ms,
            training_seconds=float(np.mean([found[seed][name][1] for seed in seeds])),
        )
        made.append(Recipe(name, seeds, tuple(found[seed][name][0] for seed in seeds), cost))
    return made


def main() -> None:
    """All seeds, then the comparison and the clock."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--students", nargs="+", default=list(STUDENTS), choices=EVERY)
    parser.add_argument("--epochs", type=int, default=0, help="fewer, to try the script")
    parser.add_argument(
        "--times-only",
        action="store_true",
        help="on a quiet machine: latency again (random weights), in the results that stand",
    )
    parser.add_argument("--name", default="ladder", help="of the file in results")
    chosen = parser.parse_args()
    if chosen.times_only:
        renew_times(chosen.name)
        return
    for name in chosen.students if chosen.epochs else ():
        EVERY[name] = EVERY[name].model_copy(update={"epochs": chosen.epochs})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(Path(os.environ.get("PLUMBLINE_STORE", folder / "store")))
        index, test_set = prepared(store)
        features, eyes = (
            extract_features(index, TEACHER, store=store, seed=0),
            Eyes(TEACHER, store, 0),
        )
        answered = [
            taught(index, features, test_set, seed, chosen.students, folder, eyes)
            for seed in range(chosen.seeds)
        ]
        found = {seed: evaluations for seed, (_, evaluations) in enumerate(answered)}
        times = timed(index, answered[0][0], chosen.students, 0, folder)
    test = index.split("test").frame
    groups = dict(zip(test["image_id"], test["group"], strict=True))
    table = compare(recipes(found, times), seed=0, reference="teacher", groups=groups)
    write_result(chosen.name, figures(table, times, len(test)))


def figures(table: Any, times: Mapping[str, Latency], images: int) -> dict[str, Any]:
    """What the document keeps: by recipe and by pair, without answers image by image."""
    return {
        "test_images": images,
        "recipes": {
            one.name: {
                "accuracy": vars(one.accuracy),
                "by_seed": one.by_seed,
                "macro_f1": vars(one.macro_f1),
                "retention": vars(one.retention),
                "training_seconds": one.cost.training_seconds,
            }
            for one in table.recipes
        },
        "pairs": [
            {
                "pair": [one.first, one.second],
                "difference": vars(one.difference),
                "only_first_wrong": one.only_first_wrong,
                "only_second_wrong": one.only_second_wrong,
                "both_wrong": one.both_wrong,
                "p": one.p,
                "verdict": one.verdict,
            }
            for one in table.pairs
        ],
        "latency": latency_table(times),
    }


def latency_table(times: Mapping[str, Latency]) -> dict[str, Any]:
    """Milliseconds, size, and how many times as fast as DINOv2 ViT-S."""
    large = times["DINOv2 ViT-S 224 px"].median_ms
    return {
        name: {
            "median_ms": round(one.median_ms, 3),
            "parameters": one.parameters,
            "bytes": one.bytes,
            "times_faster_than_dinov2_vits": round(large / one.median_ms, 1),
        }
        for name, one in times.items()
    }


if __name__ == "__main__":
    main()
