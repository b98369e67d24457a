"""Build both networks before the first image is read."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from inspection.learning_config import SearchConfig, StudentConfig, TeacherConfig
from inspection.models.networks import Networks
from inspection.models.networks import check_networks as check
from inspection.training.search_space import networks_to_try


@step
def check_networks(
    teacher: TeacherConfig,
    student: StudentConfig,
    seed: int,
    teacher_weights: str,
    student_weights: str,
    search: SearchConfig | None = None,
) -> Annotated[Networks, "networks"]:
    """An unknown name, foreign weights or a silent hub end the run here; the files' hashes make changed files new."""
    others, stated = networks_to_try(student, search), (teacher_weights, student_weights)
    networks = check(teacher, student, *others, seed=seed, stated=stated)
    log_metadata({"teacher_weights": teacher_weights, "student_weights": student_weights})
    return networks
