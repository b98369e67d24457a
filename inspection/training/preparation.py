"""Before a student's first step: its network, its images and targets, its batches, and where it left off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from deploy.edge.spec import Preprocessing
from inspection.data.index import ImageIndex
from inspection.errors import ConfigError
from inspection.features.extract import Features
from inspection.learning_config import StudentConfig
from inspection.models.heads import Teacher
from inspection.models.registry import Start, start_student
from inspection.training.augment import Augmentation
from inspection.training.checkpoint import Checkpoint, load_checkpoint
from inspection.training.labels import NO_LABEL, Rows, learnable_classes, rows_of
from inspection.training.pixels import FromDisk, OpenPixels, PixelSource, ReadAhead, open_pixels
from inspection.training.second_looks import Eyes, further_views
from inspection.training.stream import Plan
from inspection.training.targets import TargetsByView, label_targets, teacher_targets

if TYPE_CHECKING:
    from inspection.training.journal import Journal
    from inspection.training.module import Distillation


class Prepared(NamedTuple):
    """All that learns and is learnt from, before the first step; the same in every process of a crew."""

    start: Start
    module: Distillation
    plan: Plan
    journal: Journal
    resume: Checkpoint | None
    never_seen: list[str]


def prepared(
    index: ImageIndex,
    targets: TargetsByView,
    config: StudentConfig,
    *,
    seed: int,
    key: str,
    folder: Path,
    pixels: OpenPixels = open_pixels,
) -> Prepared:
    """The student as it starts, its lesson, and where an earlier call of the same `key` left off in `folder`.

    `targets` are those of `targets_of`.
    """
    # Lightning takes seconds to import: only a student that has to learn pays them.
    from inspection.training.journal import Habits, Journal
    from inspection.training.module import Distillation, Lesson

    classes = learnable_classes(index)
    train, val = splits(index, config)
    start = start_student(
        config.architecture,
        len(classes),
        weights=config.weights,
        image_size=config.image_size,
        seed=seed,
    )
    plan, cut = Plan(len(train), config.batch_size, seed), preprocessing_of(config)
    lesson = Lesson(
        pixels=_ahead(pixels(train.paths, cut, what="training")),
        targets=targets,
        augmentation=augmentation_of(config),
        total_steps=plan.steps_per_epoch * config.epochs,
        seed=seed,
    )
    every = config.checkpoint_every_steps
    habits = Habits(key, folder, plan.steps_per_epoch, config.patience, every)
    validation = (pixels(val.paths, cut, what="validation"), val.labels)
    resume = load_checkpoint(folder, key)
    journal = Journal(habits, validation, resume)
    module = Distillation(start.student, lesson, config)
    return Prepared(start, module, plan, journal, resume, _never_seen(train, classes))


def splits(index: ImageIndex, config: StudentConfig) -> tuple[Rows, Rows]:
    """What a student learns from, and what it is validated on."""
    classes = index.classes
    train = rows_of(index, "train", classes, unlabelled=config.unlabelled)
    return train, rows_of(index, "val", classes)


def targets_of(
    index: ImageIndex,
    features: Features | None,
    teacher: Teacher | None,
    config: StudentConfig,
    *,
    seed: int,
    eyes: Eyes | None = None,
) -> TargetsByView:
    """What a student is to learn: of each training image or, if it asks for consistency, of each view of it."""
    rows, _ = splits(index, config)
    if features is None or teacher is None:
        return label_targets(rows)
    if not config.consistent:
        return teacher_targets(rows, features, teacher, seed=seed)
    if eyes is None:
        raise ConfigError(
            [
                "student.consistent: only the teacher's features are here, not the backbone to look again with: "
                "give eyes=Eyes(…) as well, or set it to false"
            ]
        )
    further = further_views(index, rows, features, augmentation_of(config).views, eyes)
    return teacher_targets(rows, features, teacher, seed=seed, further=further)


def _never_seen(train: Rows, classes: tuple[str, ...]) -> list[str]:
    seen = set(train.labels.tolist()) - {NO_LABEL}
    return [name for number, name in enumerate(classes) if number not in seen]


def augmentation_of(config: StudentConfig) -> Augmentation:
    """How far from what the camera saw it is shown its images."""
    return Augmentation(
        mirror=config.mirror,
        mirror_rows=config.mirror_axes == "both",
        turn=config.turn,
        rotate=config.rotate,
        jitter=config.jitter,
    )


def _ahead(source: PixelSource) -> PixelSource:
    """Read before it is needed, unless it lies in memory already."""
    return ReadAhead(source) if isinstance(source, FromDisk) else source


def preprocessing_of(config: StudentConfig) -> Preprocessing:
    """How its images are brought to size."""
    return Preprocessing(config.image_size, config.image_size, config.resize)
