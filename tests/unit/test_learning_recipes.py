"""Recipes by name lie over any student's config, and say what their name promises."""

from __future__ import annotations

import pytest

from inspection.config import StudentConfig
from inspection.errors import ConfigError
from inspection.training.recipes import RECIPES, recipe


def laid_over(name: str) -> StudentConfig:
    base = StudentConfig(architecture="timm:resnet50", weights="hub", image_size=224)
    return StudentConfig.model_validate({**base.model_dump(), **recipe(name)})


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_passes_the_door_and_leaves_the_network_alone(name: str) -> None:
    config = laid_over(name)
    assert (config.architecture, config.weights, config.image_size) == ("timm:resnet50", "hub", 224)
    assert config.distill_logits == config.distill_features == 0.0
    assert config.schedule == "plateau"
    assert config.mirror
    assert config.rotate > 0
    assert config.jitter > 0


@pytest.mark.parametrize(
    ("strategy", "rate", "epochs"),
    [("freeze", 1e-3, 15), ("partial", 1e-4, 15), ("full", 1e-5, 20)],
)
def test_transfer_learning_is_slower_the_more_learns(
    strategy: str, rate: float, epochs: int
) -> None:
    config = laid_over(f"transfer_{strategy}")
    assert (config.strategy, config.learning_rate, config.epochs) == (strategy, rate, epochs)


def test_a_misspelt_recipe_is_met_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no recipe 'transfer_freze': use transfer_freeze"):
        recipe("transfer_freze")
