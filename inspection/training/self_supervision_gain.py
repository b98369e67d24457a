"""From a tuned backbone to what it gained: the same images, embedded before and after, judged on the test split."""

from __future__ import annotations

from inspection.data.index import ImageIndex
from inspection.evaluation.representation import (
    SelfSupervisionGain,
    Split,
    representation_gain,
)
from inspection.features.extract import Features
from inspection.learning_config import TeacherConfig
from inspection.training.labels import rows_of
from inspection.training.self_supervision import TunedBackbone

PARTS = ("train", "val", "test")


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
