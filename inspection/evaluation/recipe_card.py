"""What somebody needs who wants this model again, or wants to know what it is: the best recipe on one card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inspection.evaluation.compared import RecipeFigures
from inspection.records import Record


@dataclass(frozen=True)
class Origin(Record):
    """Where one recipe's models came from: a run, its weights and its data for each seed, and the config of all."""

    config: Mapping[str, Any]
    runs: tuple[str, ...]
    weights_sha256: tuple[str, ...]
    data_digests: tuple[str, ...]
    licence: str


@dataclass(frozen=True)
class RecipeCard(Record):
    """The recipe `name`: how to train it (`origin`), what it was worth (`figures`), on which test set.

    `sentence`: what the comparison that chose it says; `compared_with`: the others, by name.
    """

    name: str
    origin: Origin
    test_digest: str
    figures: RecipeFigures
    compared_with: tuple[str, ...]
    sentence: str
