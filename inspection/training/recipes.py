"""Recipes by name: settings of a student that belong together, to be laid over a config.

`transfer_*`: transfer learning from given weights by one of three strategies, from labels alone: left-right mirror,
rotation and jitter of light; the more layers learn, the smaller the learning rate; it falls when validation no longer
improves. Choose architecture, weights and image_size beside them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from inspection.errors import ConfigError

Overrides = dict[str, object]
"""Values by key of `StudentConfig`."""


def transfer_freeze() -> Overrides:
    """The classifier alone learns, on the layers as given: the fastest, and the least to go wrong with few images."""
    return _transfer("freeze", learning_rate=1e-3, epochs=15)


def transfer_partial() -> Overrides:
    """The classifier and the last stage learn."""
    return {**_transfer("partial", learning_rate=1e-4, epochs=15), "last_stages": 1}


def transfer_full() -> Overrides:
    """Everything learns, slowly."""
    return _transfer("full", learning_rate=1e-5, epochs=20)


RECIPES: Mapping[str, Callable[[], Overrides]] = {
    "transfer_freeze": transfer_freeze,
    "transfer_partial": transfer_partial,
    "transfer_full": transfer_full,
}


def recipe(name: str) -> Overrides:
    """The settings of a recipe; ConfigError with the nearest name for one that does not exist."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1) or list(RECIPES)
        raise ConfigError([f"student: no recipe '{name}': use {' or '.join(near)}"])
    return RECIPES[name]()


def _transfer(strategy: str, *, learning_rate: float, epochs: int) -> Overrides:
    return {
        "strategy": strategy,
        "learning_rate": learning_rate,
        "epochs": epochs,
        "schedule": "plateau",
        "distill_logits": 0.0,
        "distill_features": 0.0,
        "mirror": True,
        "mirror_axes": "horizontal",
        "turn": False,
        "rotate": 15.0,
        "jitter": 0.2,
    }
