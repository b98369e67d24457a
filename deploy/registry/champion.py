"""The champion on today's test set, run as the device runs it."""

from __future__ import annotations

import dataclasses

from deploy.edge.bundle import open_bundle
from deploy.registry.models import champion_bundle, champion_name
from inspection.data.index import ImageIndex
from inspection.evaluation.answers import evaluate_bundle
from inspection.evaluation.metrics import Evaluation
from inspection.store import Store


def evaluate_champion(
    store: Store,
    name: str,
    index: ImageIndex,
    challenger: Evaluation,
    challenger_digest: str,
    *,
    max_megapixels: float = 100.0,
) -> Evaluation | None:
    """The champion's evaluation on the challenger's test set; None without a champion."""
    folder = champion_bundle(store, name)
    if folder is None:
        return None
    if folder.name == challenger_digest:
        return dataclasses.replace(challenger, name=champion_name(folder.name))
    return evaluate_bundle(
        open_bundle(folder),
        index.split("test"),
        name=champion_name(folder.name),
        classes=challenger.classes,
        test_digest=challenger.test_digest,
        max_megapixels=max_megapixels,
    )
