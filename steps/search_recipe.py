"""Find a better recipe for the student on the validation images, in the time given."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from inspection.data.index import ImageIndex
from inspection.evaluation.searched import Searched
from inspection.features.extract import Features
from inspection.learning_config import SearchConfig, StudentConfig
from inspection.store import Store
from inspection.training.prepared_teacher import PreparedTeacher
from inspection.training.search import search_recipe as search
from inspection.training.second_looks import Eyes
from inspection.training.teacher import TeacherResult


@step
def search_recipe(
    index: ImageIndex,
    features: Features,
    teacher: TeacherResult,
    prepared: PreparedTeacher,
    student: StudentConfig,
    limits: SearchConfig,
    seed: int,
    device: str,
    store: str,
    weights: str,
    code: str,
) -> tuple[Annotated[StudentConfig, "recipe"], Annotated[Searched, "searched"]]:
    """What the student is to be trained with, and all that was tried; the config as given when nothing beats it."""
    found = search(
        index,
        features,
        teacher.teacher,
        student,
        limits,
        seed=seed,
        store=Store(Path(store)),
        weights=weights,
        code=code,
        device=device,
        clock=time.monotonic,
        eyes=Eyes(prepared.config, Store(Path(store)), seed, device),
    )
    log_metadata({"trials": len(found.trials), "chosen": found.chosen})
    return found.recipe, found
