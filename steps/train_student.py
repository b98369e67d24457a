"""Distil the teacher into the tiny network that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from inspection.data.index import ImageIndex
from inspection.features.extract import Features
from inspection.learning_config import HardwareConfig, StudentConfig
from inspection.store import Store
from inspection.training.prepared_teacher import PreparedTeacher
from inspection.training.second_looks import Eyes
from inspection.training.student import StudentResult, student_key
from inspection.training.student import train_student as train
from inspection.training.teacher import TeacherResult


@step
def train_student(
    index: ImageIndex,
    features: Features,
    teacher: TeacherResult,
    prepared: PreparedTeacher,
    student: StudentConfig,
    hardware: HardwareConfig,
    seed: int,
    device: str,
    store: str,
    weights: str,
    code: str,
) -> Annotated[StudentResult, "student"]:
    """Goes on where a killed run with the same inputs stopped; `weights`, `code`: hashes of both, also inputs."""
    key = student_key(index, teacher.teacher, student, seed=seed)
    folder = Store(Path(store)).training(key, weights, code)
    result = train(
        index,
        features,
        teacher.teacher,
        student,
        seed=seed,
        folder=folder,
        device=device,
        hardware=hardware,
        eyes=Eyes(prepared.config, Store(Path(store)), seed, device),
    )
    log_metadata({"epochs": result.epochs_run, "resumed_from": str(result.resumed_from)})
    return result
