"""Hold the student against every way to classify the teacher's features, tuned and not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from deploy.export.release import Release
from inspection.data.index import ImageIndex
from inspection.evaluation.classifiers import Classifiers
from inspection.evaluation.latency import Latency
from inspection.features.extract import Features
from inspection.learning_config import StudentConfig, TeacherConfig
from inspection.store import Store
from inspection.training.classifiers import Shipped, feature_classifiers
from inspection.training.classifiers import compare_classifiers as compare
from inspection.training.prepared_teacher import PreparedTeacher
from inspection.training.student import StudentResult
from inspection.training.teacher import TeacherResult


@step
def compare_classifiers(
    index: ImageIndex,
    features: Features,
    prepared: PreparedTeacher,
    teacher: TeacherResult,
    student: StudentResult,
    release: Release,
    teacher_latency: Latency,
    student_latency: Latency,
    teacher_config: TeacherConfig,
    student_config: StudentConfig,
    seed: int,
    device: str,
    store: str,
) -> Annotated[Classifiers, "classifiers"]:
    """All on the frozen test images, the student as exported; `teacher_config` is the one before tuning."""
    heads = feature_classifiers(
        index,
        features,
        prepared,
        teacher,
        teacher_config,
        store=Store(Path(store)),
        seed=seed,
        device=device,
    )
    shipped = Shipped(student, student_config, release.evaluation, student_latency, teacher_latency)
    found = compare(index, heads, teacher.teacher, prepared.config, shipped, seed=seed)
    log_metadata({"accuracy": found.accuracies})
    return found
