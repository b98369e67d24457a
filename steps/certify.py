"""Hold every precision against the trained model on the frozen test set, and shelve the bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from deploy.export.planned import Planned
from deploy.export.release import Release
from deploy.export.student_release import release_student
from inspection.config import EconomicsConfig
from inspection.data.index import ImageIndex
from inspection.data.test_set import TestSet
from inspection.store import Store
from inspection.training.student import StudentResult
from inspection.training.teacher import TeacherResult


@step(enable_cache=False)
def certify(
    planned: Planned,
    index: ImageIndex,
    test_set: TestSet,
    teacher: TeacherResult,
    student: StudentResult,
    name: str,
    ok_class: str | None,
    economics: EconomicsConfig,
    max_megapixels: float,
    store: str,
    code: str,
) -> Annotated[Release, "release"]:
    """What the test set refuses stays behind; a refusal of FP32 itself ends the run."""
    release = release_student(
        student.folder,
        teacher.teacher,
        index,
        name=name,
        ok_class=ok_class,
        economics=economics,
        test_digest=test_set.digest,
        hashes={"code": code},
        store=Store(Path(store)),
        max_megapixels=max_megapixels,
        planned=planned,
    )
    log_metadata({"bundle": release.digest, "folder": str(release.folder)})
    return release
