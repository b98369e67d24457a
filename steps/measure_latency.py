"""Time teacher and shipped student on the same images, in turns."""

from __future__ import annotations

from typing import Annotated

from zenml import log_metadata, step

from deploy.edge.bundle import Bundle
from deploy.export.side_by_side import measure_side_by_side
from inspection.evaluation.latency import Latency
from inspection.training.prepared_teacher import PreparedTeacher
from inspection.training.teacher import TeacherResult

MAX_SECONDS = 10.0


@step
def measure_latency(
    bundle: Bundle, teacher: TeacherResult, prepared: PreparedTeacher, seed: int
) -> tuple[Annotated[Latency, "teacher_latency"], Annotated[Latency, "student_latency"]]:
    """Milliseconds per decoded image at batch 1, backbone and preprocessing included."""
    slow, fast = measure_side_by_side(
        bundle.folder, teacher.teacher, prepared.config, seed=seed, max_seconds=MAX_SECONDS
    )
    log_metadata({"teacher_ms": slow.median_ms, "student_ms": fast.median_ms})
    return slow, fast
