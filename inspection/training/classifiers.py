"""A run's classifiers, fitted where they are missing: heads on frozen features, a probe on tuned ones, the student.

Heads that the teacher's training tried already are taken from there. Features from before tuning come out of the
store's cache, where tuning put them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from inspection.data.index import ImageIndex
from inspection.evaluation.answers import evaluate_rows
from inspection.evaluation.classifiers import (
    ALONE,
    DISTILLED,
    MLP,
    PROBE,
    SMALL_HEAD,
    TUNED_MLP,
    TUNED_PROBE,
    Classifiers,
    features_cost,
    groups_by_image,
    line_up,
)
from inspection.evaluation.latency import Contender, Latency, measure
from inspection.evaluation.metrics import Evaluation
from inspection.evaluation.recipes import Recipe, measured_cost
from inspection.features.backbone import load_backbone
from inspection.features.extract import Features, extract_features
from inspection.learning_config import StudentConfig, TeacherConfig
from inspection.models.arithmetic import multiply_accumulates
from inspection.models.heads import HeadKind, Teacher
from inspection.models.student_files import load_student
from inspection.store import Store
from inspection.training.head_student import distil_head
from inspection.training.prepared_teacher import PreparedTeacher
from inspection.training.student import StudentResult
from inspection.training.teacher import TeacherResult, train_teacher

SECONDS = 2.0
"""For timing the heads alone."""


@dataclass(frozen=True, eq=False)
class FeatureClassifier:
    """A head, the features it reads, and how many numbers of their backbone were trained for it."""

    name: str
    teacher: Teacher
    features: Features
    learned: int = 0


@dataclass(frozen=True, eq=False)
class Shipped:
    """The student as trained and as exported, the config it learned by, and its time beside the teacher's."""

    result: StudentResult
    config: StudentConfig
    evaluation: Evaluation
    student: Latency
    teacher: Latency


def feature_classifiers(
    index: ImageIndex,
    features: Features,
    prepared: PreparedTeacher,
    result: TeacherResult,
    config: TeacherConfig,
    *,
    store: Store,
    seed: int,
    device: str,
) -> tuple[FeatureClassifier, ...]:
    """Probe and MLP on the features of `config` as given, and where it was tuned, what reads the tuned `features`."""
    if prepared.tuned is None:
        return _frozen(index, features, result, config, seed)
    untuned = config.model_copy(update={"tune": None})
    before = extract_features(index, untuned, store=store, seed=seed, device=device)
    both = train_teacher(index, before, untuned.model_copy(update={"head": "auto"}), seed=seed)
    found = _frozen(index, before, both, untuned, seed)
    learned = prepared.tuned.learned
    probe = _of_kind("linear", index, features, result, prepared.config, seed)
    found += (FeatureClassifier(TUNED_PROBE, probe, features, learned),)
    if result.teacher.head.kind == "mlp":  # what taught the student belongs in the table
        found += (FeatureClassifier(TUNED_MLP, result.teacher, features, learned),)
    return found


def compare_classifiers(
    index: ImageIndex,
    found: tuple[FeatureClassifier, ...],
    teacher: Teacher,
    config: TeacherConfig,
    shipped: Shipped,
    *,
    seed: int,
) -> Classifiers:
    """All on the test images of `index`; `teacher` on the backbone of `config` is the one that taught."""
    alone = _head_times(found)
    arithmetic = _backbone_arithmetic(config, seed)
    recipes = [_recipe(each, index, shipped, alone[each.name], arithmetic, seed) for each in found]
    listened = shipped.config.listens
    digest = teacher.digest()
    taught = [each.name for each in found if listened and each.teacher.digest() == digest]
    return line_up(
        [*recipes, _student(shipped, seed, listened=listened)],
        taught=taught,
        tuned=any(each.name == TUNED_PROBE for each in found),
        groups=groups_by_image(index),
        seed=seed,
    )


def _frozen(
    index: ImageIndex, features: Features, result: TeacherResult, config: TeacherConfig, seed: int
) -> tuple[FeatureClassifier, ...]:
    probe, mlp = (
        _of_kind(kind, index, features, result, config, seed) for kind in ("linear", "mlp")
    )
    small = distil_head(index, features, mlp, seed=seed)
    named = ((PROBE, probe), (MLP, mlp), (SMALL_HEAD, small))
    return tuple(FeatureClassifier(name, teacher, features) for name, teacher in named)


def _of_kind(
    kind: HeadKind,
    index: ImageIndex,
    features: Features,
    result: TeacherResult,
    config: TeacherConfig,
    seed: int,
) -> Teacher:
    """The head that was tried already, or else fitted now in the same way."""
    known = result.of_kind(kind)
    asked = config.model_copy(update={"head": kind})
    return known or train_teacher(index, features, asked, seed=seed).teacher


def _recipe(
    found: FeatureClassifier,
    index: ImageIndex,
    shipped: Shipped,
    head_ms: float,
    arithmetic: int,
    seed: int,
) -> Recipe:
    test = index.split("test")
    rows = found.features.rows([str(name) for name in test.frame["image_id"]])
    teacher = found.teacher
    evaluation = evaluate_rows(
        found.name,
        test,
        teacher.probabilities(rows),
        teacher.classes,
        test_digest=shipped.evaluation.test_digest,
    )
    weights = [array for name, array in teacher.head.arrays.items() if name.startswith("weight")]
    cost = features_cost(
        shipped.teacher,
        backbone=teacher.backbone.parameters,
        head=teacher.head.parameters,
        learned=found.learned,
        head_ms=head_ms,
        arithmetic=arithmetic + sum(array.size for array in weights),
    )
    return Recipe(found.name, (seed,), (evaluation,), cost)


def _student(shipped: Shipped, seed: int, *, listened: bool) -> Recipe:
    """As exported, which is what ships."""
    name = DISTILLED if listened else ALONE
    student, card = load_student(shipped.result.folder)
    cost = replace(
        measured_cost(shipped.student, shipped.result.trained_parameters or None, None),
        multiply_accumulates=multiply_accumulates(student, card.preprocessing.height),
    )
    return Recipe(name, (seed,), (replace(shipped.evaluation, name=name),), cost)


def _backbone_arithmetic(config: TeacherConfig, seed: int) -> int:
    """Of one image; tuned or not, the network is the same."""
    backbone = load_backbone(config, seed=seed, device="cpu")
    return multiply_accumulates(backbone.module, backbone.image_size)


def _head_times(found: tuple[FeatureClassifier, ...]) -> dict[str, float]:
    """Milliseconds of each head for a vector that is there already."""

    def contender(each: FeatureClassifier) -> Contender:
        row = each.features.matrix[:1]
        return Contender(lambda _: each.teacher.probabilities(row), "numpy", 1, 0, 0)

    none = np.zeros((1, 1, 3), np.uint8)
    times = measure({each.name: contender(each) for each in found}, [none], max_seconds=SECONDS)
    return {name: time.median_ms for name, time in times.items()}
