"""A search with real trainings that last a second each, by a clock of one's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inspection.data.index import ImageIndex
from inspection.evaluation.searched import Searched
from inspection.features.extract import Features
from inspection.learning_config import SearchConfig, StudentConfig
from inspection.models.heads import Teacher
from inspection.store import Store
from inspection.training.search import search_recipe
from tests.unit.learning_material import CONFIG, eyes_of

EPOCHS = 4
STEPS = 6  # per epoch: 24 training images
SLOW = CONFIG.model_copy(
    update={"epochs": EPOCHS, "batch_size": 4, "learning_rate": 1e-7, "patience": 9}
)
"""Learns nothing: the planted fault that a search must mend."""
RATES = SearchConfig(budget="1h", trials=5, vary=("learning_rate",), learning_rate=(1e-2, 4e-2))
HASHES = {"weights": "none", "code": "c" * 64}


class Clock:
    """Each question takes `step` seconds, and `later` seconds once a minute has gone by."""

    def __init__(self, step: float, later: float | None = None) -> None:
        self.now, self.step, self.later = 0.0, step, step if later is None else later

    def __call__(self) -> float:
        self.now += self.step if self.now < 60 else self.later
        return self.now


def searched(
    home: Path,
    store: Path,
    search: SearchConfig = RATES,
    asked: StudentConfig = SLOW,
    *,
    index: ImageIndex | None = None,
    clock: Callable[[], float] | None = None,
) -> Searched:
    return search_recipe(
        ImageIndex.load(home / "index.parquet") if index is None else index,
        Features.load(home),
        Teacher.load(home),
        asked,
        search,
        seed=3,
        store=Store(store),
        device="cpu",
        clock=clock or Clock(0.01),
        eyes=eyes_of(home),
        **HASHES,
    )


def timeless(found: Searched) -> list[Any]:
    return [dataclasses.replace(trial, seconds=0.0) for trial in found.trials]


class Killed(BaseException):
    """As sudden as a signal."""
