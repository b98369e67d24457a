"""The teacher's backbone, fine-tuned on the training images where the config asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from data_checks.leaks import LeakReport, check_leaks
from data_checks.results import GateReport
from inspection.config import SplitConfig
from inspection.data.index import ImageIndex
from inspection.learning_config import TeacherConfig
from inspection.store import Store
from inspection.training.prepared_teacher import PreparedTeacher, prepare_teacher


@step
def tune_teacher(
    index: ImageIndex,
    leaks: LeakReport,
    split_config: SplitConfig,
    teacher: TeacherConfig,
    seed: int,
    device: str,
    store: str,
    weights: str,
) -> Annotated[PreparedTeacher, "prepared_teacher"]:
    """A split that leaks goes no further; `weights`, the file's hash, makes changed weights a new run."""
    found = check_leaks(leaks, split_config.max_leak_rate)
    GateReport.of((found,), images=leaks.test_images, quarantined=0).require()
    made = prepare_teacher(index, teacher, store=Store(Path(store)), seed=seed, device=device)
    log_metadata({"weights": weights, "gain": made.gain.sentence if made.gain else "not tuned"})
    return made
