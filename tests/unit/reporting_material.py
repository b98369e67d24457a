"""Material for the report's tests: images drawn here, records made by the rooms that make them in a run."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_checks.contradictions import quarantine_contradictions
from data_checks.drift import DriftSignal, DriftVerdict
from data_checks.duplicates import group_duplicates
from data_checks.expectations import validate_index
from data_checks.leaks import leak_report
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
    cause = (
        "focus or lens",
        "clean the lens, then focus again",
        "coarseness moved by -2.1 spreads",
    )
    return DriftVerdict(True, signals, 120, 60, sentence, "", *cause, 3.25)


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
