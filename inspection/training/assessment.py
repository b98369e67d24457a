"""Teacher and student side by side on the frozen test set, each calibrated on validation images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inspection.data.index import ImageIndex
from inspection.errors import DataError
from inspection.evaluation.calibration import softmax
from inspection.evaluation.metrics import Evaluation, evaluate
from inspection.features.extract import Features
from inspection.models.heads import Teacher
from inspection.models.student_files import CARD, StudentCard
from inspection.records import Record
from inspection.training.student import predict_student


@dataclass(frozen=True)
class Assessment(Record):
    """Both as trained; what the *exported* student does is measured again at export."""

    teacher: Evaluation
    student: Evaluation

    @property
    def figures(self) -> dict[str, float]:
        """Flat, for a tracking store; the student's own names are left to what ships."""
        teacher = {f"teacher_{name}": value for name, value in self.teacher.summary.items()}
        return {**teacher, "retention": self.retention}

    @property
    def retention(self) -> float:
        """Share of the teacher's accuracy that the student keeps; 0 where there is none to keep."""
        teacher = self.teacher.accuracy.value
        return self.student.accuracy.value / teacher if teacher else 0.0


def assess(
    index: ImageIndex,
    features: Features,
    teacher: Teacher,
    student: Path,
    *,
    test_digest: str,
    device: str = "auto",
) -> Assessment:
    """Evaluate `teacher` and the student in the folder `student` on the test split of `index`."""
    test = index.split("test")
    image_ids = [str(name) for name in test.frame["image_id"]]
    labels = [str(label) for label in test.frame["label"]]
    outputs = predict_student(student, test, device=device)
    card = StudentCard.load(student / CARD)
    if card.classes != teacher.classes:
        raise DataError(
            f"teacher and student name other classes ({teacher.classes}, {card.classes}): train both"
        )

    def evaluated(name: str, probabilities: npt.NDArray[np.floating[Any]]) -> Evaluation:
        return evaluate(
            name,
            labels,
            probabilities,
            teacher.classes,
            image_ids=image_ids,
            test_digest=test_digest,
        )

    return Assessment(
        teacher=evaluated("teacher", teacher.probabilities(features.rows(image_ids))),
        student=evaluated("student", softmax(outputs.logits, card.temperature)),
    )
