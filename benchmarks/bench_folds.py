"""What a small student keeps where tiles are few: Magnetic-tile, five grouped folds, answers pooled over all of them.

Every image is answered once, by models that saw nothing of its group (near-copies, views of one tile). Macro-F1 is
computed from the pooled answers, never averaged over folds, in which a class may have two images. The interval
resamples whole groups; retention is the student's macro-F1 over the teacher's on the same resampled groups.

Usage: python benchmarks/bench_folds.py [--students NAME ...] [--seed 0] [--epochs 1]
Needs PLUMBLINE_TEST_ASSETS: a folder with `data/magnetic_tile` and `weights/`. PLUMBLINE_STORE keeps finished students
and the checkpoints of others: a killed run goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from machine import write_result
from sklearn.model_selection import StratifiedGroupKFold

from data_checks.contradictions import quarantine_contradictions
from data_checks.duplicates import group_duplicates
from inspection.config import ChecksConfig, DataConfig, SplitConfig
from inspection.data.index import ImageIndex
from inspection.data.ingest import ingest
from inspection.data.splits import val_from
from inspection.evaluation.answers import evaluate_rows
from inspection.evaluation.metrics import Evaluation
from inspection.evaluation.paired import exact_p, leaning
from inspection.evaluation.recipes import Answered, Recipe, RecipeCost, answered
from inspection.evaluation.resampling import draw, interval
from inspection.features.extract import Features, extract_features
from inspection.learning_config import StudentConfig, TeacherConfig
from inspection.store import Store
from inspection.training.student import predict_student, train_student
from inspection.training.teacher import train_teacher

ROOT = Path(__file__).resolve().parents[1]
ASSETS = Path(os.environ.get("PLUMBLINE_TEST_ASSETS", ROOT.parent / "shared"))
WEIGHTS = ASSETS / "weights"
DATA = DataConfig(kind="mask_pairs", root=ASSETS / "data" / "magnetic_tile", ok_class="MT_Free")
FOLDS = 5
SPLIT = SplitConfig(test=1 / FOLDS, val=0.15)
TEACHER = TeacherConfig(
    backbone="mobilenetv2_100", weights=str(WEIGHTS / "mobilenetv2_100.imagenet.safetensors")
)
WARM: dict[str, Any] = {
    "architecture": "squeezenet",
    "weights": str(WEIGHTS / "squeezenet1_1.imagenet.safetensors"),
    "image_size": 160,
    "batch_size": 32,
    "distill_features": 1.0,
}
AS_THEY_COME: dict[str, Any] = {
    "epochs": 24,
    "patience": 24,
    "learning_rate": 1e-3,
    "layer_decay": 0.7,
    "distill_logits": 0.7,
    "balance_classes": False,
}
"""The teacher's head learned from classes as they come; a student that weighs them equally unlearns what it is told."""
BALANCED: dict[str, Any] = {"epochs": 14, "patience": 14, "learning_rate": 5e-4}
ALONE: dict[str, Any] = {"distill_logits": 0.0, "distill_features": 0.0}
STUDENTS: dict[str, StudentConfig] = {
    "squeezenet": StudentConfig(**WARM, **AS_THEY_COME),
    "squeezenet, no teacher": StudentConfig(**{**WARM, **AS_THEY_COME, **ALONE}),
    "squeezenet, balanced": StudentConfig(**WARM, **BALANCED),
    "squeezenet, balanced, no teacher": StudentConfig(**{**WARM, **BALANCED, **ALONE}),
}
USUAL = ("squeezenet", "squeezenet, no teacher")
Matrix = npt.NDArray[np.float64]


def grouped(store: Store) -> ImageIndex:
    """The usable images, near-copies in one group."""
    index = quarantine_contradictions(ingest(DATA, ChecksConfig(), store=store, seed=0))
    return group_duplicates(index)[0].usable()


def fold_of(index: ImageIndex, seed: int) -> npt.NDArray[np.int64]:
    """The fold of each row: whole groups, each class in its share."""
    frame = index.frame
    groups = frame["group"].where(frame["group"].notna(), frame["image_id"])
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    folds = np.zeros(len(frame), dtype=np.int64)
    for fold, (_, outside) in enumerate(splitter.split(frame["label"], frame["label"], groups)):
        folds[outside] = fold
    return folds


def placed(index: ImageIndex, outside: npt.NDArray[np.bool_], seed: int) -> ImageIndex:
    """The index with this fold as its test split, and whole groups of the rest as validation."""
    column = pd.Series(np.where(outside, "test", "train"), dtype=object)
    return val_from(index.with_columns(split=column), SPLIT, seed=seed)


def answers(
    index: ImageIndex, features: Features, names: list[str], seed: int, at: Path
) -> dict[str, Matrix]:
    """Probabilities (N, C) by model; each row from the models that did not see its group."""
    folds = fold_of(index, seed)
    found = {name: np.zeros((len(index), len(index.classes))) for name in ("teacher", *names)}
    for fold in range(FOLDS):
        outside = folds == fold
        inner = placed(index, outside, seed)
        test = inner.split("test")
        ids = [str(name) for name in test.frame["image_id"]]
        teacher = train_teacher(inner, features, TEACHER, seed=seed).teacher
        found["teacher"][outside] = teacher.probabilities(features.rows(ids))
        for name in names:
            folder = at / f"{name}, fold {fold}, seed {seed}"
            config = STUDENTS[name]
            result = train_student(inner, features, teacher, config, seed=seed, folder=folder)
            logits = predict_student(folder, test).logits / result.validation.temperature
            raised = np.exp(logits - logits.max(axis=1, keepdims=True))
            found[name][outside] = raised / raised.sum(axis=1, keepdims=True)
            print(f"fold {fold + 1} of {FOLDS}: {name}", file=sys.stderr, flush=True)
    return found


def pooled(index: ImageIndex, found: dict[str, Matrix]) -> list[Recipe]:
    """One evaluation of all images by model; what a model costs is measured elsewhere."""
    cost = RecipeCost(parameters=0, trained_parameters=None, bytes=0, latency_ms=1.0)
    return [
        Recipe(name, (0,), (evaluate_rows(name, index, rows, index.classes, test_digest=""),), cost)
        for name, rows in found.items()
    ]


def figures(recipes: list[Recipe], lined_up: Answered) -> dict[str, Any]:
    """By model, by class and by pair with the teacher; intervals over groups."""
    draws = draw(lined_up, seed=0)
    macro, base = draws.scores["macro_f1"], recipes[0].evaluations[0]
    by_model = {}
    for place, recipe in enumerate(recipes):
        one = recipe.evaluations[0]
        kept = macro[place] / np.maximum(macro[0], 1e-9)
        by_model[recipe.name] = {
            "macro_f1": one.macro_f1,
            "macro_f1_interval": interval(macro[place]),
            "macro_f1_retention": one.macro_f1 / base.macro_f1,
            "macro_f1_retention_interval": interval(kept),
            "balanced_accuracy": one.balanced_accuracy,
            "accuracy": one.accuracy.value,
            "per_class": counts(one),
            "p_accuracy_as_teacher": p_equal(lined_up, 0, place),
        }
    return {
        "images": len(lined_up.true),
        "groups": int(lined_up.groups.max()) + 1,
        "folds": FOLDS,
        "models": by_model,
    }


def counts(one: Evaluation) -> dict[str, Any]:
    """Recognised, shown, and called so, by class."""
    table = np.array(one.confusion)
    return {
        label: {
            "right": int(table[k, k]),
            "images": int(table[k].sum()),
            "called_so": int(table[:, k].sum()),
        }
        for k, label in enumerate(one.classes)
    }


def p_equal(found: Answered, first: int, second: int) -> float:
    """Paired test of accuracy with signs flipped by group."""
    if first == second:
        return 1.0
    return exact_p(leaning(found.right(first), found.right(second), found.groups))


def main() -> None:
    """All folds, then one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--students", nargs="+", default=list(USUAL), choices=STUDENTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=0, help="fewer, to try the script")
    parser.add_argument("--name", default="folds", help="of the file in results")
    chosen = parser.parse_args()
    for name in chosen.students if chosen.epochs else ():
        STUDENTS[name] = STUDENTS[name].model_copy(update={"epochs": chosen.epochs})
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(os.environ.get("PLUMBLINE_STORE", folder)))
        index = grouped(store)
        features = extract_features(index, TEACHER, store=store, seed=0)
        found = answers(index, features, chosen.students, chosen.seed, store.root / "folds")
    recipes = pooled(index, found)
    frame = index.frame
    groups = frame["group"].where(frame["group"].notna(), frame["image_id"])
    lined_up = answered(recipes, dict(zip(frame["image_id"], groups, strict=True)))
    write_result(chosen.name, figures(recipes, lined_up))


if __name__ == "__main__":
    main()
