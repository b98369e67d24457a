"""Material for the report's tests: images drawn here, records made by the rooms that make them in a run."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from data_checks.contradictions import quarantine_contradictions
from data_checks.drift import DriftSignal, DriftVerdict
from data_checks.duplicates import DuplicatePair, DuplicateReport, group_duplicates
from data_checks.expectations import validate_index
from data_checks.leaks import LeakExample, LeakReport, leak_report
from data_checks.results import CheckResult, GateReport
from deploy.edge.spec import Preprocessing
from deploy.export.certificate import PENDING, Certificate, CertificateRow, Measured
from inspection.config import DataConfig, GateConfig, RunConfig, SyntheticConfig
from inspection.data import surfaces
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.splits import split
from inspection.evaluation.classifiers import DISTILLED, MLP, PROBE, TUNED_PROBE
from inspection.evaluation.explanations import (
    Explanation,
    Explanations,
    Overlap,
    packed,
    pointing,
)
from inspection.evaluation.gate import gate
from inspection.evaluation.latency import Latency
from inspection.evaluation.metrics import Evaluation, evaluate
from inspection.learning_config import StudentConfig
from inspection.reporting.run_report import RunReport
from inspection.store import Store
from tests.unit.classifier_material import classifiers_of, tuned_material

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
CLASSES = surfaces.CLASSES


@dataclass(frozen=True)
class Features:
    image_ids: tuple[str, ...]
    matrix: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scores:
    accuracy: float
    macro_f1: float
    balanced_accuracy: float
    loss: float


@dataclass(frozen=True)
class Head:
    head: str
    held_out: Scores
    chosen: bool


@dataclass(frozen=True)
class Epoch:
    epoch: int
    loss: float
    loss_labels: float
    loss_logits: float
    loss_features: float
    validation: Scores


@dataclass(frozen=True)
class Training:
    history: tuple[Epoch, ...]
    best_epoch: int
    resumed_from: int | None = None
    remarks: tuple[str, ...] = ()


def run_config(per_class: int) -> RunConfig:
    drawn = SyntheticConfig(images_per_class=per_class, near_duplicates=0.15)
    return RunConfig(
        name="metal_demo",
        data=DataConfig(kind="synthetic", ok_class="ok", synthetic=drawn),
        gate=GateConfig(min_macro_f1=0.6),
    )


def evaluation(index: ImageIndex, name: str, skill: float, *, seed: int = 3) -> Evaluation:
    """A model that is right about as often as `skill` is large, scored by the real metrics."""
    generator = np.random.default_rng(seed)
    test = index.split("test").frame
    labels = [str(label) for label in test["label"]]
    logits = generator.normal(0, 1, (len(labels), len(CLASSES)))
    logits[np.arange(len(labels)), [CLASSES.index(label) for label in labels]] += skill
    odds = np.exp(1.8 * logits)
    return evaluate(
        name,
        labels,
        odds / odds.sum(axis=1, keepdims=True),
        CLASSES,
        image_ids=[str(i) for i in test["image_id"]],
        test_digest=hashlib.sha256(b"frozen").hexdigest(),
    )


def features(index: ImageIndex) -> Features:
    generator = np.random.default_rng(5)
    frame = index.usable().frame
    centres = {label: generator.normal(0, 2.2, 64) for label in CLASSES}
    noise = generator.normal(0, 1, (len(frame), 64))
    matrix = np.stack([centres[str(label)] for label in frame["label"]]) + noise
    return Features(tuple(str(i) for i in frame["image_id"]), matrix.astype(np.float32))


def training(epochs: int = 30) -> Training:
    generator = np.random.default_rng(2)

    def near(value: float, spread: float) -> float:
        return float(value + generator.normal(0, spread))

    def epoch(k: int) -> Epoch:
        learned = 1 - np.exp(-k / 5)
        labels, logits = near(1.3 * np.exp(-k / 7) + 0.2, 0.02), near(0.9 * np.exp(-k / 9), 0.01)
        scores = Scores(
            near(0.15 + 0.81 * learned, 0.01),
            near(0.12 + 0.84 * learned, 0.01),
            near(0.14 + 0.82 * learned, 0.01),
            near(1.7 * np.exp(-k / 8) + 0.2, 0.03),
        )
        return Epoch(k, labels + logits + 0.05, labels, logits, 0.0, scores)

    history = tuple(epoch(k) for k in range(1, epochs + 1))
    best = max(history, key=lambda e: e.validation.macro_f1)
    return Training(history, best.epoch)


def certificate(student: Evaluation) -> Certificate:
    count = student.count
    measured = Measured(count, 0, 0.016, 0, 1.8e-6, 2.1e-7, student.image_ids[0], (), ())
    rows = (
        CertificateRow("onnxruntime fp32", "passed", 0, 1e-4, measured),
        *(CertificateRow(name, "pending", None, None, None) for name in PENDING),
    )
    digest = hashlib.sha256(b"model").hexdigest()
    return Certificate(digest, student.test_digest, "torch fp32", CLASSES, {}, rows)


def explanations(index: ImageIndex, found: Evaluation) -> Explanations:
    """Heat in the upper left corner of some images the model got wrong, and of some it got right."""
    paths = dict(zip(index.frame["image_id"], index.frame["path"], strict=True))
    heat = np.zeros((32, 32), np.float32)
    heat[:12, :12] = 1.0
    wrong = sorted(found.wrong, key=lambda i: -max(found.probabilities[i]))[:4]
    right = [i for i in range(found.count) if i not in found.wrong][:4]
    shown = tuple(
        Explanation(
            image_id=found.image_ids[i],
            path=str(paths[found.image_ids[i]]),
            label=found.labels[i],
            called=found.predictions[i],
            confidence=max(found.probabilities[i]),
            heat=packed(heat),
            heat_true=packed(heat.T[::-1].copy()) if i in wrong else "",
            overlap=Overlap(0.4, 0.1, i % 2 == 0) if i % 3 else None,
        )
        for i in [*wrong, *right]
    )
    seen = pointing([Overlap(0.4, 0.1, True), Overlap(0.2, 0.1, False), Overlap(0.6, 0.1, True)])
    return Explanations(
        "grad_cam", (8, 8), Preprocessing(96, 96), shown, right=seen, test_images=found.count
    )


def drift() -> DriftVerdict:
    signals = (
        signal("brightness", 0.41, "median 131 was 132"),
        signal("contrast", 0.22, "median 14.1 was 14.0"),
        signal("sharpness", 0.0004, "median 61 was 212"),
        signal("embedding", 0.08, "cloud as a whole"),
    )
    sentence = "Drifted: sharpness has moved away from the reference; clean or refocus the lens."
    return DriftVerdict(True, signals, 120, 60, sentence)


def signal(name: str, p_value: float, detail: str) -> DriftSignal:
    threshold = 0.0014
    return DriftSignal(
        name, "Kolmogorov-Smirnov", p_value, threshold, p_value < threshold, 0.3, detail
    )


def latencies() -> dict[str, Latency]:
    return {
        "teacher": Latency("teacher", "torch", 42.8, 47.1, 200, 1, 11_689_512, 46_830_571),
        "student": Latency("student", "onnxruntime", 1.42, 1.71, 200, 1, 241_350, 986_112),
    }


def full_run(root: Path, per_class: int = 15, **changes: Any) -> RunReport:
    """A run over synthetic images that reached everything; `changes` replace single findings.

    The data, its checks, duplicates, splits and leaks are the real ones; only the models' answers are made up.
    """
    config = run_config(per_class)
    index = ingest(config.data, config.checks, store=Store(root), seed=config.seed)
    index, copies = group_duplicates(quarantine_contradictions(index))
    index = split(index, config.split, seed=config.seed)
    teacher, student = evaluation(index, "teacher", 4.2), evaluation(index, "student", 3.3, seed=4)
    scores = Scores(0.97, 0.962, 0.961, 0.12)
    others = {
        PROBE: evaluation(index, PROBE, 2.0, seed=8),
        TUNED_PROBE: evaluation(index, "t", 2.6),
    }
    gain, maps = tuned_material(index)
    run = RunReport(
        name="metal_demo",
        created=NOW,
        config=config,
        index=index,
        checks=validate_index(index, config.checks),
        duplicates=copies,
        leaks=leak_report(index, copies, seed=config.seed),
        features=features(index),
        heads=(Head("linear", scores, False), Head("mlp", scores, True)),
        training=training(),
        teacher=teacher,
        student=student,
        classifiers=classifiers_of({**others, MLP: teacher, DISTILLED: student}, index),
        gain=gain,
        maps=maps,
        explanations=explanations(index, student),
        latencies=latencies(),
        certificate=certificate(student),
        gate=gate(student, None, config.gate),
        drift=drift(),
        provenance={
            "weights": {"name": "resnet18", "licence": "Apache-2.0", "sha256": "ab" * 32},
            "code": "cd" * 32,
            "versions": {"torch": "2.15.0", "onnxruntime": "1.31.0", "numpy": "2.4.1"},
            "bundle": "ef" * 32,
        },
        command="plumbline run configs/metal_demo.yaml",
        next_command="plumbline-edge predict BUNDLE images/",
    )
    return dataclasses.replace(run, **changes)


Words = Callable[[str], str]


def small_run(root: Path, words: Words = str, **changes: Any) -> RunReport:
    """A run drawn in an instant, whose every text from data has gone through `words`.

    Three classes of four images; `words` must keep their order and say something different for each.
    """
    classes = tuple(words(name) for name in ("a_dent", "b_ok", "c_scratch"))
    rows = [
        _drawn_row(root, words, label, k, i) for k, label in enumerate(classes) for i in range(4)
    ]
    rows.append(
        {
            "image_id": "f" * 64,
            "path": words("gone.jpg"),
            "quarantine": "missing",
            "detail": words("no such file"),
        }
    )
    index = ImageIndex.from_rows(root, rows)
    paths = [str(path) for path in index.usable().frame["path"]]
    student = _always_wrong(words("student"), index, classes)
    config = RunConfig(
        name="small",
        data=DataConfig(kind="folder", root=root),
        student=StudentConfig(architecture=words("plumbnet_s")),
        gate=GateConfig(min_accuracy=0.9),
    )
    said = CheckResult("exposure", False, words("too dark"), words("5 to 250"), words("look"))
    offended = dataclasses.replace(said, rows=tuple(paths[:6]), count=6)
    pair = DuplicatePair(paths[0], paths[1], 0.9)
    run = RunReport(
        name=words("small"),
        created=NOW,
        config=config,
        index=index,
        checks=GateReport.of((offended,), images=13, quarantined=1),
        duplicates=DuplicateReport(12, (), (pair,), (tuple(paths[:3]),), 3),
        leaks=LeakReport(0.5, 0.6, 1, 3, 6, (LeakExample(paths[3], paths[0]),)),
        features=Features(
            tuple(str(i) for i in index.usable().frame["image_id"]),
            np.random.default_rng(1).normal(size=(12, 5)).astype(np.float32),
        ),
        training=training(3),
        student=student,
        explanations=explanations(index, student),
        latencies={"student": Latency("student", words("onnxruntime"), 1.0, 2.0, 20, 1, 10, 20)},
        certificate=certificate(student),
        gate=gate(student, None, config.gate),
        drift=DriftVerdict(
            True, (signal(words("blur"), 0.0, words("seen")),), 9, 9, words("moved")
        ),
        provenance={words("weights"): {words("licence"): words("MIT")}},
        command=words("plumbline run x"),
        next_command=words("next"),
    )
    return dataclasses.replace(run, **changes)


def _always_wrong(name: str, index: ImageIndex, classes: tuple[str, ...]) -> Evaluation:
    """Each test image, one of each of three classes, is called the next class."""
    tested = index.split("test").frame
    probabilities = np.full((len(tested), 3), 0.2) + 0.4 * np.roll(np.eye(3), 1, axis=1)
    return evaluate(
        name,
        [str(label) for label in tested["label"]],
        probabilities,
        classes,
        image_ids=[str(i) for i in tested["image_id"]],
        test_digest="e" * 64,
    )


def _drawn_row(root: Path, words: Words, label: str, k: int, i: int) -> dict[str, Any]:
    pixels = np.full((40, 60, 3), 60 + 40 * k + 10 * i, np.uint8)
    pixels[10:20, 10:30] = 20
    name = words(f"image_{k}{i}") + ".png"
    (root / name).write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return {
        "image_id": f"{k}{i}" * 32,
        "pixel_id": f"{i}{k}" * 32,
        "path": name,
        "label": label,
        "boxes": [{"x0": 10, "y0": 10, "x1": 30, "y1": 20, "label": label}],
        "split": ("train", "train", "val", "test")[i],
        "warnings": [words("odd") + ": " + words("why")] if i == 0 else [],
    }
