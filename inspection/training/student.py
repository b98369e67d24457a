"""The student: distilled from the teacher or taught by labels alone, killed and resumed at will, written for export.

Covered: SIGKILL at any moment; running the same thing again goes on from the last checkpoint, and ends with the same
numbers. Not covered: going on with another config, data set or teacher (that is another run, and starts anew).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from deploy.edge.files import canonical_json, sha256_bytes, sha256_file
from inspection.data.index import ImageIndex
from inspection.data.unlabelled import check_there
from inspection.errors import ConfigError, DataError
from inspection.features.device import resolve_device, use_own_cores
from inspection.features.extract import Features
from inspection.learning_config import HardwareConfig, StudentConfig
from inspection.models.heads import Teacher
from inspection.models.registry import Start
from inspection.models.student_files import CARD, WEIGHTS, StudentCard, load_student, save_weights
from inspection.records import Record
from inspection.training.checkpoint import CHECKPOINT, Checkpoint
from inspection.training.epochs import Epoch, Watch, predict, unwatched
from inspection.training.labels import learnable_classes
from inspection.training.pixels import FromDisk, OpenPixels, open_pixels
from inspection.training.preparation import prepared, preprocessing_of, splits, targets_of
from inspection.training.scores import Score
from inspection.training.second_looks import Eyes
from inspection.training.strategy import trained_count

if TYPE_CHECKING:
    from inspection.training.journal import Journal

ALONE = HardwareConfig()
RECIPE = "distillation v1"
"""Part of every run's key: change it when a saved run must not be continued by newer code."""
RESULT = "result.json"
LESSON = "lesson"
"""Folder of what other processes of a training need, while it lasts."""

LATER_KEYS = (
    "strategy",
    "last_stages",
    "layer_decay",
    "schedule",
    "mix",
    "jitter",
    "rotate",
    "mirror_axes",
    "unlabelled",
    "consistent",
)
"""Settings that came after the first runs: at their defaults they are no part of a key, or old runs would be lost."""


@dataclass(frozen=True)
class StudentResult(Record):
    """A finished training: where the student lies, and how it got there."""

    folder: Path
    key: str
    history: tuple[Epoch, ...]
    epochs_run: int
    best_epoch: int
    validation: Score
    resumed_from: int | None
    """The step of the checkpoint that the last process began with; null if it began at the start."""
    trained_parameters: int = 0
    """How many of the student's numbers learnt; the strategy froze the others. 0 in results older than strategies."""
    remarks: tuple[str, ...] = ()
    """What went otherwise than asked, one sentence each: memory was full, the loss was no longer a number …"""


class StudentOutputs(NamedTuple):
    """One row per image: uncalibrated logits (N, C) and embedding (N, E), float32."""

    logits: npt.NDArray[np.float32]
    embedding: npt.NDArray[np.float32]


def student_key(
    index: ImageIndex, teacher: Teacher | None, config: StudentConfig, *, seed: int
) -> str:
    """Content address of a training run: equal keys mean equal students."""
    parts = {
        split: [[*pair] for pair in zip(rows.image_ids, rows.labels.tolist(), strict=True)]
        for split, rows in zip(("train", "val"), splits(index, config), strict=True)
    }
    settings = _settings(config)
    path = Path(config.weights)
    weights = sha256_file(path) if path.is_file() else config.weights
    taught_by = teacher.digest() if teacher else None
    document = [RECIPE, settings, weights, list(index.classes), parts, taught_by, seed]
    return sha256_bytes(canonical_json(document))


def _settings(config: StudentConfig) -> dict[str, object]:
    """What of a config decides what is learnt; how often to save, or a recipe's name beside its values, do not."""
    said = config.model_dump(mode="json", exclude={"checkpoint_every_steps", "recipe"})
    usual = {name: StudentConfig.model_fields[name].default for name in LATER_KEYS}
    return {name: value for name, value in said.items() if usual.get(name, ...) != value}


def train_student(
    index: ImageIndex,
    features: Features | None,
    teacher: Teacher | None,
    config: StudentConfig,
    *,
    seed: int,
    folder: Path,
    device: str = "auto",
    hardware: HardwareConfig = ALONE,
    watch: Watch = unwatched,
    pixels: OpenPixels = open_pixels,
    eyes: Eyes | None = None,
) -> StudentResult:
    """Train a student into `folder`, going on from what an earlier, killed call left there.

    `features` and `teacher` may be None when nothing is to be distilled: a classifier that learns from labels alone.
    `watch` may end a training early; `pixels` may know images from an earlier one; `eyes` are what `config.consistent`
    makes the teacher look with.
    """
    use_own_cores()
    classes = learnable_classes(index)
    _check_teacher(classes, features, teacher, config)
    if config.unlabelled:
        check_there(index)
    key = student_key(index, teacher, config, seed=seed)
    if (finished := _finished(folder, key)) is not None:
        return finished
    # Lightning takes seconds to import: only a student that has to learn pays them.
    from inspection.training.crew import crew_for
    from inspection.training.fit import fit

    place = resolve_device(device)
    targets = targets_of(index, features, teacher, config, seed=seed, eyes=eyes)
    crew = crew_for(
        hardware,
        (index, targets, config),
        seed=seed,
        device=place,
        key=key,
        folder=folder,
    )
    ready = prepared(index, targets, config, seed=seed, key=key, folder=folder, pixels=pixels)
    start, journal = ready.start, ready.journal
    journal.watch = watch
    for name in ready.never_seen:
        journal.remark(f"no training image shows '{name}': the student cannot know this class")
    fit(ready.module, ready.plan, journal, place, crew)
    result = replace(
        _result(folder, journal, ready.resume), trained_parameters=trained_count(start.student)
    )
    return _write(
        result, start, journal, _card(start, config, classes, result.validation.temperature)
    )


def predict_student(folder: Path, index: ImageIndex, *, device: str = "auto") -> StudentOutputs:
    """What a finished student says of every row of `index`, in order."""
    use_own_cores()
    student, card = load_student(folder)
    student.to(resolve_device(device)).to(memory_format=torch.channels_last)
    source = FromDisk(index.paths, card.preprocessing)
    return StudentOutputs(*predict(student, source, len(index)))


def _check_teacher(
    classes: tuple[str, ...],
    features: Features | None,
    teacher: Teacher | None,
    config: StudentConfig,
) -> None:
    """Whether there is a teacher where one is needed, and it knows the same classes."""
    if config.listens and (features is None or teacher is None):
        raise ConfigError(
            [
                "student.distill_logits: there is no teacher to distil from: train one, or set "
                "student.distill_logits=0 and student.distill_features=0"
            ]
        )
    if config.unlabelled and not config.listens:
        raise ConfigError(
            [
                "student.unlabelled: only a teacher can say what unlabelled images show: set "
                "student.distill_logits or student.distill_features above 0"
            ]
        )
    if config.consistent and not config.listens:
        raise ConfigError(
            [
                "student.consistent: there is no teacher to see what the student sees: set "
                "student.distill_logits or student.distill_features above 0, or set it to false"
            ]
        )
    if teacher is not None and teacher.classes != classes:
        raise DataError(
            f"the teacher knows other classes ({', '.join(teacher.classes)}) than the images to learn from "
            f"({', '.join(classes)}): train the teacher on these images"
        )


def _finished(folder: Path, key: str) -> StudentResult | None:
    """What an earlier call has finished under the same key."""
    if not all((folder / name).is_file() for name in (RESULT, CARD, WEIGHTS)):
        return None
    result = StudentResult.load(folder / RESULT)
    return replace(result, folder=folder) if result.key == key else None


def _write(
    result: StudentResult, start: Start, journal: Journal, card: StudentCard
) -> StudentResult:
    """The best student with its card; the result last, because it says that all is there."""
    student = start.student
    student.load_state_dict(journal.best_weights)
    sha256 = save_weights(result.folder, student.cpu())
    replace(card, weights_sha256=sha256).save(result.folder / CARD)
    result.save(result.folder / RESULT)
    (result.folder / CHECKPOINT).unlink(missing_ok=True)
    shutil.rmtree(result.folder / LESSON, ignore_errors=True)
    return result


def _result(folder: Path, journal: Journal, resume: Checkpoint | None) -> StudentResult:
    progress = journal.progress
    if progress.best is None:
        raise RuntimeError("training ended before its first validation")
    return StudentResult(
        folder=folder,
        key=journal.habits.key,
        history=tuple(progress.history),
        epochs_run=len(progress.history),
        best_epoch=progress.best_epoch,
        validation=progress.best,
        resumed_from=int(resume.facts["step"]) if resume else None,
        remarks=tuple(journal.remarks),
    )


def _card(
    start: Start, config: StudentConfig, classes: tuple[str, ...], temperature: float
) -> StudentCard:
    student = start.student
    return StudentCard(
        architecture=config.architecture,
        classes=classes,
        preprocessing=preprocessing_of(config),
        mean=student.mean,
        std=student.std,
        embedding_size=student.embedding_size,
        parameters=student.parameters_count,
        temperature=temperature,
        started_from=start.weights,
        licence=start.licence,
        weights_sha256="",
    )
