"""The teacher as a run uses it: with the backbone it was given, or fine-tuned first where the config asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from inspection.data.index import ImageIndex
from inspection.evaluation.representation import SelfSupervisionGain
from inspection.features.extract import extract_features
from inspection.learning_config import TeacherConfig
from inspection.records import Record
from inspection.store import Store
from inspection.training.self_supervision import TunedBackbone, tune_backbone, tuning_key
from inspection.training.self_supervision_gain import tuned_teacher, tuning_gain


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
