"""What becomes of each network in each precision: made or not, decisions on the frozen test images, speed, the choice.

Trained: students of NEU-DET and Magnetic-tile (SqueezeNet from given weights), MobileNetV2 from given weights with a
trained head. Random weights: ResNet18, EfficientNet-B0, ConvNeXt-atto, ViT-tiny, DINOv2 ViT-S; they decide nothing,
so their rows say how far probabilities move and are held to no bar. Latency is ONNX Runtime's on this CPU, batch 1.

Usage: python benchmarks/bench_export.py [NETWORK ...] [--keep FOLDER]
Needs PLUMBLINE_TEST_ASSETS: a folder with `data/neu_det`, `data/magnetic_tile`, `weights/`. `--keep` leaves the ONNX
files there (benchmarks/bench_tensorrt_checks.py takes them).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from machine import write_result
from torch import nn

from data_checks.contradictions import quarantine_contradictions
from data_checks.duplicates import group_duplicates
from deploy.edge.engines.registry import open_engine
from deploy.edge.spec import FP32, Decision, Preprocessing
from deploy.export.bundle_writer import BundleSpec
from deploy.export.certificate import compare
from deploy.export.judge import Subject
from deploy.export.onnx_graph import export_onnx
from deploy.export.planned import Planned
from deploy.export.planner import plan_precision
from deploy.export.precision_rows import judge_precisions
from deploy.export.torch_engine import TorchEngine
from inspection.config import ChecksConfig, DataConfig, ExportConfig, SplitConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.own_split import place
from inspection.evaluation.answers import answer
from inspection.features.extract import extract_features
from inspection.learning_config import StudentConfig, TeacherConfig
from inspection.models.graph import DeployGraph
from inspection.models.registry import build_student
from inspection.models.student_files import load_deploy_graph
from inspection.store import Store
from inspection.training.student import train_student
from inspection.training.teacher import train_teacher

ROOT = Path(__file__).resolve().parents[1]
ASSETS = Path(os.environ.get("PLUMBLINE_TEST_ASSETS", ROOT.parent / "shared"))
WEIGHTS = ASSETS / "weights"
MOBILENET = str(WEIGHTS / "mobilenetv2_100.imagenet.safetensors")
SQUEEZENET = str(WEIGHTS / "squeezenet1_1.imagenet.safetensors")
SETS = {
    "neu_det": DataConfig(
        kind="voc", root=ASSETS / "data" / "neu_det", label_pattern=r"^(.+)_\d+$"
    ),
    "magnetic_tile": DataConfig(
        kind="mask_pairs", root=ASSETS / "data" / "magnetic_tile", ok_class="MT_Free"
    ),
}
SPLIT = SplitConfig(test=0.40, val=0.15)
TEACHER = TeacherConfig(backbone="mobilenetv2_100", weights=MOBILENET)
WARM: dict[str, Any] = {
    "architecture": "squeezenet",
    "weights": SQUEEZENET,
    "epochs": 14,
    "batch_size": 32,
    "learning_rate": 5e-4,
    "distill_features": 1.0,
    "patience": 14,
}
FROZEN = StudentConfig(
    architecture="timm:mobilenetv2_100",
    weights=MOBILENET,
    image_size=224,
    epochs=2,
    batch_size=32,
    learning_rate=1e-3,
    strategy="freeze",
    distill_logits=0.0,
    distill_features=0.0,
)
TRAINED: dict[str, tuple[str, StudentConfig]] = {
    "neu_det student": ("neu_det", StudentConfig(**WARM, image_size=96)),
    "magnetic_tile student": ("magnetic_tile", StudentConfig(**WARM, image_size=160)),
    "mobilenetv2_100": ("neu_det", FROZEN),
}
RANDOM: dict[str, int] = {
    "resnet18": 224,
    "efficientnet_b0": 224,
    "convnext_atto": 224,
    "vit_tiny_patch16_224": 224,
    "vit_small_patch14_dinov2": 224,
}
FEW = 120
"""Test images for a network with random weights."""


@dataclass(frozen=True)
class Case:
    """A graph, its images and what its answers mean."""

    graph: nn.Module
    index: ImageIndex
    sizes: Preprocessing
    trained: bool


def placed(name: str, store: Store) -> ImageIndex:
    """The grouped split of a set."""
    index = quarantine_contradictions(ingest(SETS[name], ChecksConfig(), store=store, seed=0))
    return place(group_duplicates(index)[0].usable(), SPLIT, seed=0)


def trained_case(name: str, store: Store) -> Case:
    """A student, trained now."""
    data, config = TRAINED[name]
    index = placed(data, store)
    features = extract_features(index, TEACHER, store=store, seed=0)
    teacher = train_teacher(index, features, TEACHER, seed=0).teacher
    folder = store.root / "students" / name.replace(" ", "_")
    train_student(index, features, teacher, config, seed=0, folder=folder)
    graph, card = load_deploy_graph(folder)
    return Case(graph, index, card.preprocessing, trained=True)


def random_case(name: str, store: Store) -> Case:
    """Random weights, a few test images."""
    side, index = RANDOM[name], placed("neu_det", store)
    student = build_student(f"timm:{name}", len(index.classes), image_size=side)
    graph = DeployGraph(student, student.mean, student.std, 1.0)
    test = index.frame["split"] == "test"
    beyond = test & (test.cumsum() > FEW)
    few = ImageIndex(index.root, index.frame[~beyond].reset_index(drop=True))
    return Case(graph, few, Preprocessing(side, side), trained=False)


def examined(case: Case, folder: Path) -> dict[str, Any]:
    """Every precision of one network: plan on validation images, certificate on test images."""
    file = export_onnx(case.graph, case.sizes, folder / f"{FP32}.onnx")
    classes = case.index.classes
    subject = Subject(file, classes, case.sizes, Decision())
    planned = plan_precision(
        subject, case.index, ExportConfig(), folder=folder, trained=case.trained
    )
    files = {FP32: file, **{one.name: one.file for one in planned.precisions if one.file}}
    engines = {key: open_engine("onnxruntime", made) for key, made in files.items()}
    both = {"torch": TorchEngine(case.graph), **engines}
    answers = answer(case.index.split("test"), case.sizes, both)
    spec = BundleSpec("bench", classes, case.sizes, Decision(), 1.0, "", {})
    verdict = judge_precisions(planned, answers, engines, spec, trained=case.trained)
    exact = compare(answers["torch"], answers[FP32], classes, Decision())
    return {
        "trained": case.trained,
        "test_images": exact.images,
        "plan": planned.sentence,
        "calibration": planned.calibration["count"],
        "rows": {"onnxruntime fp32": _figures(exact), **_rows(verdict.rows)},
        "precisions": _precisions(planned, files),
    }


def _rows(rows: Any) -> dict[str, Any]:
    return {
        row.conversion: {
            "status": row.status,
            "reason": row.reason,
            **(_figures(row.measured) if row.measured else {}),
        }
        for row in rows
    }


def _figures(found: Any) -> dict[str, Any]:
    worst = min((row.recall_delta for row in found.per_class), default=0.0)
    return {
        "images": found.images,
        "flips": found.flips,
        "flip_rate_high": found.flip_rate_high,
        "clear_images": found.clear,
        "flips_of_clear_images": found.flips_clear,
        "max_delta": found.max_delta,
        "mean_delta": found.mean_delta,
        "worst_class_recall_delta": worst,
        "ece_before": found.ece_before,
        "ece_after": found.ece_after,
    }


def _precisions(planned: Planned, files: Mapping[str, Path]) -> dict[str, Any]:
    return {
        one.name: {
            "fate": one.fate,
            "sentence": one.sentence,
            "times_fp32": one.times_fp32,
            "median_ms": one.median_ms,
            "way": one.way,
            "bytes": files[one.name].stat().st_size if one.name in files else None,
            "float_islands": len(one.made.get("islands", ())),
        }
        for one in planned.precisions
    }


def main() -> None:
    """Every network, then one file."""
    cases: dict[str, Callable[[str, Store], Case]] = {
        **dict.fromkeys(TRAINED, trained_case),
        **dict.fromkeys(RANDOM, random_case),
    }
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(cases), metavar="NETWORK")
    parser.add_argument("--keep", type=Path, help="leave the ONNX files here")
    parser.add_argument("--name", default="export", help="of the file in results")
    chosen = parser.parse_args()
    torch.set_num_threads(2)
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(Path(os.environ.get("PLUMBLINE_STORE", scratch)))
        for name in chosen.networks:
            folder = (chosen.keep or Path(scratch)) / name.replace(" ", "_")
            folder.mkdir(parents=True, exist_ok=True)
            found[name] = examined(cases[name](name, store), folder)
            print(f"{name}: {found[name]['plan']}", file=sys.stderr, flush=True)
            write_result(chosen.name, found)  # after each: the last ones take longest


if __name__ == "__main__":
    main()
