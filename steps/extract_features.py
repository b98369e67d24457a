"""Turn every usable image into a vector, once per image and backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from data_checks.leaks import LeakReport, check_leaks
from data_checks.results import GateReport
from inspection.config import SplitConfig, TeacherConfig
from inspection.data.index import ImageIndex
from inspection.features.extract import Features
from inspection.features.extract import extract_features as extract
from inspection.store import Store


@step
def extract_features(
    index: ImageIndex,
    leaks: LeakReport,
    split_config: SplitConfig,
    teacher: TeacherConfig,
    seed: int,
    device: str,
    store: str,
    weights: str,
) -> Annotated[Features, "features"]:
    """A split that leaks goes no further; `weights`, the file's hash, makes changed weights a new run."""
    found = check_leaks(leaks, split_config.max_leak_rate)
    GateReport.of((found,), images=leaks.test_images, quarantined=0).require()
    features = extract(index, teacher, store=Store(Path(store)), seed=seed, device=device)
    log_metadata({"backbone": features.backbone.name, "weights": weights})
    return features
