"""`plumbline recipes`: settings that belong together, by the name that a config gives them."""

from __future__ import annotations

from inspection.recipes import RECIPES
from pipelines.output import Answer, Table


def list_recipes() -> Answer:
    """Every recipe with its settings and a sentence."""
    rows = [
        (name, ", ".join(f"{key}={_said(value)}" for key, value in one.settings.items()))
        for name, one in RECIPES.items()
    ]
    return Answer(
        document={
            "recipes": {
                name: {"sentence": one.sentence, "settings": dict(one.settings)}
                for name, one in RECIPES.items()
            }
        },
        table=Table(("recipe", "settings of the student"), rows),
        lines=[f"{name}: {one.sentence}" for name, one in RECIPES.items()],
        next=[f"plumbline run CONFIG student.recipe={list(RECIPES)[-1]}"],
    )


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
