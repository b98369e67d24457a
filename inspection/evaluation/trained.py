"""Finished trainings gathered into recipes: what differs by the seed alone is one recipe.

Covered: the same training named twice counts once; recipes of one name are told apart by the settings in which they
differ. Not covered: settings that changed nothing; to a config, they differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deploy.edge.files import canonical_json
from inspection.evaluation.metrics import Evaluation
from inspection.evaluation.recipe_card import Origin
from inspection.evaluation.recipes import Recipe, RecipeCost, middle_cost

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Trained:
    """One model of one run: `settings` are what made it, the seed left out; `curve` is (epoch, validation macro-F1)."""

    label: str
    run: str
    seed: int
    settings: Settings
    evaluation: Evaluation
    cost: RecipeCost
    weights_sha256: str
    data_digest: str
    licence: str
    curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Gathered:
    """A recipe and the trainings it was gathered from, by seed."""

    recipe: Recipe
    trained: tuple[Trained, ...]

    @property
    def origin(self) -> Origin:
        """Where its models came from."""
        return Origin(
            config=self.trained[0].settings,
            runs=tuple(one.run for one in self.trained),
            weights_sha256=tuple(one.weights_sha256 for one in self.trained),
            data_digests=tuple(dict.fromkeys(one.data_digest for one in self.trained)),
            licence=", ".join(dict.fromkeys(one.licence for one in self.trained)),
        )


def gather(trained: Iterable[Trained]) -> list[Gathered]:
    """One recipe per label and settings, in the order met; of two trainings with one seed the later counts."""
    found: dict[bytes, dict[int, Trained]] = {}
    for one in trained:
        key = canonical_json([one.label, one.settings])
        found.setdefault(key, {})[one.seed] = one
    alike = [tuple(seeds[seed] for seed in sorted(seeds)) for seeds in found.values()]
    names = _names([group[0] for group in alike])
    return [Gathered(_recipe(name, group), group) for name, group in zip(names, alike, strict=True)]


def _recipe(name: str, group: Sequence[Trained]) -> Recipe:
    return Recipe(
        name,
        tuple(one.seed for one in group),
        tuple(replace(one.evaluation, name=name) for one in group),
        middle_cost([one.cost for one in group]),
    )


def _names(firsts: Sequence[Trained]) -> list[str]:
    """The label, with the settings in which recipes of one label differ."""
    flat = [_flat(one.settings) for one in firsts]
    names = []
    for i, one in enumerate(firsts):
        rivals = [flat[k] for k, other in enumerate(firsts) if other.label == one.label]
        keys = sorted({key for rival in rivals for key in rival})
        told = [
            f"{key}={flat[i].get(key, '–')}"
            for key in keys
            if len({str(rival.get(key)) for rival in rivals}) > 1
        ]
        names.append(f"{one.label} ({', '.join(told)})" if told else one.label)
    return names


def _flat(settings: Settings, prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        found |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return found
