"""From a tuned backbone to what it gained: the same images, embedded before and after, judged on the test split."""

from __future__ import annotations

from dataclasses import dataclass

from inspection.config import TeacherConfig
from inspection.data.index import ImageIndex
from inspection.evaluation.representation import (
    SelfSupervisionGain,
    Split,
    representation_gain,
)
from inspection.features.extract import Features, extract_features
from inspection.records import Record
from inspection.store import Store
from inspection.training.labels import rows_of
from inspection.training.self_supervision import TunedBackbone, tune_backbone, tuning_key

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class PreparedTeacher(Record):
    """The teacher as a run uses it from here on. `tuned` and `gain` are null for one that stays as it was."""

    config: TeacherConfig
    tuned: TunedBackbone | None = None
    gain: SelfSupervisionGain | None = None


def prepare_teacher(
    index: ImageIndex, teacher: TeacherConfig, *, store: Store, seed: int, device: str
) -> PreparedTeacher:
    """Fine-tune the backbone where `teacher.tune` asks for it, and say what that gained."""
    if teacher.tune is None:
        return PreparedTeacher(teacher)
    key = tuning_key(index, teacher, teacher.tune, seed=seed)
    folder = store.tuned / key[:16]
    tuned = tune_backbone(index, teacher, teacher.tune, seed=seed, folder=folder, device=device)
    after = tuned_teacher(teacher, tuned)
    before = teacher.model_copy(update={"tune": None})
    old, new = (
        extract_features(index, each, store=store, seed=seed, device=device)
        for each in (before, after)
    )
    return PreparedTeacher(after, tuned, tuning_gain(index, old, new, seed=seed))


def tuned_teacher(teacher: TeacherConfig, tuned: TunedBackbone) -> TeacherConfig:
    """The same teacher on the tuned weights; what it is has been done, so `tune` is null."""
    return teacher.model_copy(update={"weights": str(tuned.weights), "tune": None})


def tuning_gain(
    index: ImageIndex, before: Features, after: Features, *, seed: int
) -> SelfSupervisionGain:
    """Nearest neighbours and linear probe on the test split of `index`, with features from before and after."""
    old, new = _splits(index, before), _splits(index, after)
    return representation_gain(old, new, seed=seed)


def _splits(index: ImageIndex, features: Features) -> tuple[Split, Split, Split]:
    train, val, test = (
        Split(features.rows(rows.image_ids), rows.labels, rows.groups)
        for rows in (rows_of(index, part, index.classes) for part in PARTS)
    )
    return train, val, test
