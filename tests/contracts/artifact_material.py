"""Two unequal values of every type a materializer carries, and when two of a type are equal."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from inspection.data.index import ImageIndex

Equal = Callable[[Any, Any], bool]


def _index(label: str, tmp: Path) -> ImageIndex:
    row = {
        "image_id": label * 8,
        "path": f"{label}/1.png",
        "label": label,
        "split": "test",
        "width": 10,
        "height": None,
        "boxes": [{"x0": 0.0, "y0": 0.0, "x1": 5.0, "y1": 5.0, "label": label}],
        "captured_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    bad = {
        "path": f"{label}/2.png",
        "quarantine": "truncated",
        "detail": "cut",
        "warnings": ["a: b"],
    }
    return ImageIndex.from_rows(tmp, [row, bad])


def _same_index(a: ImageIndex, b: ImageIndex) -> bool:
    return a.root == b.root and a.table().equals(b.table())


def made_evaluation(seed: float, _: Path) -> Any:
    from inspection.evaluation.metrics import evaluate

    scores = np.array([[seed, 1 - seed], [0.25, 0.75]])
    return evaluate("m", ["a", "b"], scores, ["a", "b"], image_ids=["1", "2"], test_digest="t")


def _features(seed: int, _: Path) -> Any:
    from inspection.features.backbone import BackboneInfo
    from inspection.features.extract import Features

    info = BackboneInfo("net", "none", f"{seed}", "MIT", 3, 32, (0.5,) * 3, (0.5,) * 3, 7)
    matrix = np.random.default_rng(seed).normal(size=(4, 3)).astype(np.float32)
    return Features(("a", "b", "c", str(seed)), matrix, info)


def _same_features(a: Any, b: Any) -> bool:
    return (
        a.image_ids == b.image_ids
        and a.backbone == b.backbone
        and np.array_equal(a.matrix, b.matrix)
    )


def _teacher(seed: int, tmp: Path) -> Any:
    from inspection.models.heads import Head, Teacher
    from inspection.training.scores import Score
    from inspection.training.teacher import HeadScore, TeacherResult

    make = np.random.default_rng(seed).normal
    shapes = {"mean": (3,), "scale": (3,), "weight_0": (2, 3), "bias_0": (2,)}
    arrays = {name: make(size=shape).astype(np.float32) for name, shape in shapes.items()}
    info = _features(seed, tmp).backbone
    teacher = Teacher(info, Head("linear", arrays), ("a", "b"), 1.0 + seed)
    score = Score(**dict.fromkeys(Score.__dataclass_fields__, 0.5))
    tried = HeadScore(
        head="linear",
        setting=1.0,
        validation=score,
        held_out=score,
        parameters=8,
        chosen=True,
    )
    return TeacherResult(teacher, (tried,))


def _same_teacher(a: Any, b: Any) -> bool:
    return a.teacher.digest() == b.teacher.digest() and a.heads == b.heads


def made_bundle(seed: int, tmp: Path) -> Any:
    """Whole, but with a model that nobody could run: a materializer carries, it does not infer."""
    from deploy.edge.bundle import open_bundle
    from deploy.edge.files import sha256_bytes
    from deploy.edge.spec import Decision, Manifest, Preprocessing

    files = {
        "model.onnx": bytes([seed]) * 9,
        "certificate.json": b"{}",
        "drift_reference.npz": b"1",
    }
    files |= {"golden/000.png": b"2", "golden/outputs.npz": b"3"}
    manifest = Manifest(
        name=f"m{seed}",
        model="model.onnx",
        classes=("a", "b"),
        preprocessing=Preprocessing(32, 32),
        decision=Decision(),
        temperature=1.0,
        embedding_size=3,
        golden_tolerance=1e-3,
        files={name: sha256_bytes(data) for name, data in files.items()},
    )
    folder = tmp / "made" / manifest.digest
    (folder / "golden").mkdir(parents=True, exist_ok=True)
    for name, data in {**files, "manifest.json": manifest.to_json()}.items():
        (folder / name).write_bytes(data)
    return open_bundle(folder)


def _student(seed: int, tmp: Path) -> Any:
    from deploy.edge.files import sha256_file
    from deploy.edge.spec import Preprocessing
    from inspection.models.student_files import CARD, WEIGHTS, StudentCard
    from inspection.training.scores import Score
    from inspection.training.student import StudentResult

    folder = tmp / f"student{seed}"
    folder.mkdir(exist_ok=True)
    (folder / WEIGHTS).write_bytes(bytes([seed]) * 9)
    (folder / "checkpoint.safetensors").write_bytes(b"stays behind")
    half = (0.5, 0.5, 0.5)
    card = StudentCard(
        "plumbnet_s",
        ("a", "b"),
        Preprocessing(32, 32),
        half,
        half,
        3,
        7,
        1.0,
        "none",
        "MIT",
        sha256_file(folder / WEIGHTS),
    )
    card.save(folder / CARD)
    score = Score(**dict.fromkeys(Score.__dataclass_fields__, 0.5))
    return StudentResult(folder, f"key{seed}", (), seed, seed, score, None)


def _same_student(a: Any, b: Any) -> bool:
    from inspection.models.student_files import CARD, WEIGHTS

    files = all((a.folder / n).read_bytes() == (b.folder / n).read_bytes() for n in (WEIGHTS, CARD))
    same = dataclasses.replace(a, folder=b.folder) == b
    return same and files


def _drift(seed: int, _: Path) -> Any:
    from data_checks.drift_reference import DriftReference

    make = np.random.default_rng(seed).random
    groups = np.arange(4) if seed == 1 else None
    arrays = (make((4, n)).astype(np.float32) for n in (3, 2, 5))
    streams = np.array(["line 3", ""] * 2) if seed == 1 else None
    return DriftReference(*arrays, groups, streams)


def _same_drift(a: Any, b: Any) -> bool:
    left, right = a.to_arrays(), b.to_arrays()
    return left.keys() == right.keys() and all(np.array_equal(left[n], right[n]) for n in left)


EXAMPLES: dict[str, tuple[Callable[[Any, Path], Any], tuple[Any, Any], Equal]] = {
    "ImageIndexMaterializer": (_index, ("crack", "ok"), _same_index),
    "RecordMaterializer": (made_evaluation, (0.9, 0.1), lambda a, b: a == b),
    "FeaturesMaterializer": (_features, (1, 2), _same_features),
    "BundleMaterializer": (made_bundle, (1, 2), lambda a, b: a.manifest == b.manifest),
    "StudentMaterializer": (_student, (1, 2), _same_student),
    "DriftReferenceMaterializer": (_drift, (1, 2), _same_drift),
    "TeacherMaterializer": (_teacher, (1, 2), _same_teacher),
}
