"""Both networks of a run, built once before the first image is read: a typing error must not cost an hour of data."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.edge.files import sha256_file
from inspection.errors import ConfigError, UserError
from inspection.features.backbone import load_backbone
from inspection.learning_config import StudentConfig, TeacherConfig
from inspection.models.registry import Start, start_student
from inspection.records import Record

ANY_CLASSES = 2
"""How many classes there are is not known yet, and does not matter here."""


@dataclass(frozen=True)
class Networks(Record):
    """What a run is going to train with; parameters without classifiers' classes."""

    backbone: str
    backbone_weights: str
    """`none`, a hub id, or the file's name; so is `student_weights`."""
    backbone_parameters: int
    architecture: str
    student_weights: str
    student_parameters: int


def check_networks(
    teacher: TeacherConfig,
    student: StudentConfig,
    *others: StudentConfig,
    seed: int,
    stated: tuple[str, str] | None = None,
) -> Networks:
    """Build both as the run will; ConfigError with every name, file, size or hub that stands in the way.

    `others`: students that a search may try. `stated`: fingerprints that teacher's and student's weights must have, for
    what is cached is cached under them; a run that was planned long ago may find other files.
    """
    faults = _changed(teacher, student, stated) if stated else []
    with _collected("teacher", faults):
        backbone = load_backbone(teacher, seed=seed)
    with _collected("student", faults):
        start = _started(student, seed)
    for other in others:
        with _collected("search", faults):
            _started(other, seed)
    if faults:
        raise ConfigError(faults)
    return Networks(
        backbone=backbone.info.name,
        backbone_weights=backbone.info.weights,
        backbone_parameters=backbone.info.parameters,
        architecture=student.architecture,
        student_weights=start.weights,
        student_parameters=start.student.parameters_count,
    )


def weights_fingerprint(weights: str) -> str:
    """A file's content; `none`, `hub` and what is missing (told later, better) by name."""
    path = Path(weights)
    return sha256_file(path) if path.is_file() else weights


def _changed(teacher: TeacherConfig, student: StudentConfig, stated: tuple[str, str]) -> list[str]:
    named = {"teacher.weights": teacher.weights, "student.weights": student.weights}
    return [
        f"{key}: '{weights}' is not the file that it was when this run was planned: plan it again (a schedule that a "
        "stack keeps: remove it there, plumbline schedule hand-over NAME)"
        for (key, weights), before in zip(named.items(), stated, strict=True)
        if weights_fingerprint(weights) != before
    ]


def _started(student: StudentConfig, seed: int) -> Start:
    return start_student(
        student.architecture,
        ANY_CLASSES,
        weights=student.weights,
        image_size=student.image_size,
        seed=seed,
    )


@contextlib.contextmanager
def _collected(what: str, faults: list[str]) -> Iterator[None]:
    """The user's errors inside the block as lines of `faults`; anything else goes on as it is."""
    try:
        yield
    except ConfigError as error:
        faults.extend(error.faults)
    except UserError as error:
        faults.append(f"{what}: {error}")
