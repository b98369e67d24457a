"""Draw the test images as the backbone saw them before and after it was tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from inspection.data.index import ImageIndex
from inspection.evaluation.representation_maps import FeatureMaps
from inspection.features.extract import Features
from inspection.learning_config import TeacherConfig
from inspection.store import Store
from inspection.training.prepared_teacher import PreparedTeacher
from inspection.training.tuning_maps import tuning_maps


@step
def map_features(
    index: ImageIndex,
    features: Features,
    prepared: PreparedTeacher,
    teacher_config: TeacherConfig,
    seed: int,
    device: str,
    store: str,
    umap: bool,
) -> Annotated[FeatureMaps, "feature_maps"]:
    """On one PCA basis, and by UMAP where asked for; empty when nothing was tuned."""
    found = tuning_maps(
        index,
        features,
        prepared,
        teacher_config,
        store=Store(Path(store)),
        seed=seed,
        device=device,
        umap=umap,
    )
    log_metadata({"shown": len(found.image_ids), "umap": found.near_before is not None})
    return found
