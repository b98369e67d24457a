"""Measure teacher and student on the frozen test set."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from inspection.data.index import ImageIndex
from inspection.data.test_set import TestSet
from inspection.features.extract import Features
from inspection.training.assessment import Assessment, assess
from inspection.training.student import StudentResult
from inspection.training.teacher import TeacherResult


@step
def evaluate_models(
    index: ImageIndex,
    test_set: TestSet,
    features: Features,
    teacher: TeacherResult,
    student: StudentResult,
    device: str,
) -> Annotated[Assessment, "assessment"]:
    """Both as trained, before any conversion."""
    found = assess(
        index,
        features,
        teacher.teacher,
        student.folder,
        test_digest=test_set.digest,
        device=device,
    )
    log_metadata({"teacher": found.teacher.summary, "student": found.student.summary})
    return found
