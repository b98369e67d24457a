"""Recipes by name: settings of a student that belong together, laid under what a config says itself.

`transfer_*`: transfer learning from given weights by one of three strategies, from labels alone: left-right mirror,
rotation and jitter of light; the more layers learn, the smaller the learning rate; it falls when validation no longer
improves. Choose architecture, weights and image_size beside them.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class StudentRecipe:
    """A sentence for people, and values by key of `StudentConfig`."""

    sentence: str
    settings: Mapping[str, Any]


def _transfer(strategy: str, **more: Any) -> Mapping[str, Any]:
    shared = {
        "strategy": strategy,
        "schedule": "plateau",
        "distill_logits": 0.0,
        "distill_features": 0.0,
        "mirror": True,
        "mirror_axes": "horizontal",
        "turn": False,
        "rotate": 15.0,
        "jitter": 0.2,
    }
    return MappingProxyType({**shared, **more})


RECIPES: Mapping[str, StudentRecipe] = MappingProxyType(
    {
        "transfer_freeze": StudentRecipe(
            "Only the classifier learns, on layers that stay as given: the fastest, and the least to go wrong "
            "with few images.",
            _transfer("freeze", learning_rate=1e-3, epochs=15),
        ),
        "transfer_partial": StudentRecipe(
            "The classifier and the last stage learn: for images unlike those the network knows, but few.",
            _transfer("partial", last_stages=1, learning_rate=1e-4, epochs=15),
        ),
        "transfer_full": StudentRecipe(
            "Everything learns, slowly: for many images, or such as the network has never seen.",
            _transfer("full", learning_rate=1e-5, epochs=20),
        ),
    }
)


def laid_under(said: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the recipe that `said` names, under its own; as they are where it names none that is known."""
    name = said.get("recipe")
    known = RECIPES.get(name) if isinstance(name, str) else None
    return {**(known.settings if known else {}), **said}


def unknown_recipe(name: str) -> str | None:
    """What is wrong with the name of a recipe, with the nearest that there is; None for a right one."""
    if name in RECIPES:
        return None
    near = difflib.get_close_matches(name, RECIPES, n=1)
    return (
        f"no such recipe: did you mean '{near[0]}'?"
        if near
        else f"no such recipe: there are {', '.join(RECIPES)}"
    )
