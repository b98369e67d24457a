"""The teacher looks again: at each training image in every view that the student may be shown (`student.consistent`).

After Beyer et al., Knowledge distillation: a good teacher is patient and consistent (2022): teacher and student see the
same view. Mirrors and quarter turns are at most eight views, so what the teacher sees in them is computed once, and
cached as all its vectors are.

Covered: mirrors and quarter turns, exactly. Not covered: shifts, light, noise, `jitter` and `rotate`, of which there
are too many to look at beforehand; they stay the student's alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inspection.data.index import ImageIndex
from inspection.errors import ConfigError, WeightsError
from inspection.features.extract import Features, extract_features
from inspection.features.memory import available_memory
from inspection.features.orientation import UPRIGHT
from inspection.learning_config import TeacherConfig
from inspection.store import Store
from inspection.training.labels import Rows
from inspection.training.mishaps import say
from inspection.training.targets import COMPONENTS

MEMORY_SHARE = 0.5
"""Of the free memory that looking may take; the images and the student need some, too."""
FLOAT = 4
"""Bytes."""


@dataclass(frozen=True)
class Eyes:
    """With what a teacher looks again: the backbone that made its features, and the cache that they came from."""

    config: TeacherConfig
    store: Store
    seed: int
    device: str = "auto"


def further_views(
    index: ImageIndex, rows: Rows, features: Features, views: tuple[int, ...], eyes: Eyes
) -> Iterator[tuple[int, Features]]:
    """Features of `rows` in each of `views` but the upright one, whose `features` are there; one view at a time.

    ConfigError when the answers would not fit the memory, WeightsError when the backbone is another one by now.
    """
    further = [view for view in views if view != UPRIGHT]
    shown = index.where(index.frame["image_id"].isin(rows.image_ids))
    _check_room(len(rows), features.backbone.embedding_size, len(views))
    for number, view in enumerate(further, 2):
        what = f"teacher features, view {number} of {len(views)}"
        made = extract_features(
            shown,
            eyes.config,
            store=eyes.store,
            seed=eyes.seed,
            device=eyes.device,
            view=view,
            what=what,
        )
        if made.backbone != features.backbone:
            raise WeightsError(
                f"the weights of '{made.backbone.name}' are others than when the teacher learned: run all of it again"
            )
        yield view, made


def _check_room(images: int, size: int, views: int) -> None:
    """Say what looking again takes; refuse what would not fit the memory."""
    # Of the answers twice, while they are put together; of one view's vectors three times, while they are made.
    peak = images * FLOAT * (2 * views * min(COMPONENTS, size, images) + 3 * size)
    cached = (views - 1) * images * size * FLOAT
    room = MEMORY_SHARE * available_memory()
    if peak > room:
        raise ConfigError(
            [
                f"student.consistent: {images} images in {views} views need {_mb(peak)} of memory, {_mb(room)} may "
                "be taken: allow fewer views (student.mirror_axes=horizontal, student.turn=false) or set it to false"
            ]
        )
    if views > 1:
        say(
            f"the teacher looks at {images} training images in {views} views: {_mb(cached)} of vectors in the store, "
            f"computed where they are not there yet, at most {_mb(peak)} in memory"
        )


def _mb(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"
