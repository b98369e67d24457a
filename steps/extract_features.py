"""Turn every usable image into a vector, once per image and backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from inspection.data.index import ImageIndex
from inspection.features.extract import Features
from inspection.features.extract import extract_features as extract
from inspection.store import Store
from inspection.training.prepared_teacher import PreparedTeacher


@step
def extract_features(
    index: ImageIndex, prepared: PreparedTeacher, seed: int, device: str, store: str
) -> Annotated[Features, "features"]:
    """By the prepared teacher's backbone; what the store has is not computed again."""
    features = extract(index, prepared.config, store=Store(Path(store)), seed=seed, device=device)
    log_metadata({"backbone": features.backbone.name, "weights": features.backbone.weights_digest})
    return features
