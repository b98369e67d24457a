"""A run drawn in an instant for the report's tests, whose every text can be spoilt."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data_checks.drift import DriftVerdict
from data_checks.duplicates import DuplicatePair, DuplicateReport
from data_checks.leaks import LeakExample, LeakReport
from data_checks.results import CheckResult, GateReport
from inspection.config import DataConfig, GateConfig, RunConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.gate import gate
from inspection.evaluation.latency import Latency
from inspection.evaluation.metrics import Evaluation, evaluate
from inspection.learning_config import StudentConfig
from inspection.reporting.run_report import RunReport
from tests.unit.reporting_material import (
    NOW,
    Features,
    certificate,
    explanations,
    signal,
    training,
)

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
