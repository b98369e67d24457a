"""Train both heads on the backbone's features and keep the one that validation images prefer."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from inspection.data.index import ImageIndex
from inspection.features.extract import Features
from inspection.training.prepared_teacher import PreparedTeacher
from inspection.training.teacher import TeacherResult
from inspection.training.teacher import train_teacher as train


@step
def train_teacher(
    index: ImageIndex, features: Features, prepared: PreparedTeacher, seed: int
) -> Annotated[TeacherResult, "teacher"]:
    """The chosen teacher, and how each head that was tried did."""
    result = train(index, features, prepared.config, seed=seed)
    log_metadata({"head": result.teacher.head.kind, "heads_tried": len(result.heads)})
    return result
