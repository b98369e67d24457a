"""Recipes by name lie under any student's config, and say what their name promises."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from inspection.errors import ConfigError
from inspection.learning_config import StudentConfig
from inspection.recipes import RECIPES
from inspection.training.student import student_key
from pipelines.commands.recipes import list_recipes
from pipelines.door import load_config
from tests.unit.test_learning_signals import small_index, small_teacher

CONFIG = """
name: line
data: {kind: synthetic}
student: {architecture: "timm:resnet50", weights: hub, image_size: 224, epochs: 3}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "line.yaml"
    path.write_text(CONFIG)
    return path


def student(config: Path, *changes: str) -> StudentConfig:
    return load_config(config, changes, {}).student


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_passes_the_door_and_leaves_the_network_alone(config: Path, name: str) -> None:
    found = student(config, f"student.recipe={name}")
    assert found.recipe == name
    assert (found.architecture, found.weights, found.image_size) == ("timm:resnet50", "hub", 224)
    assert found.distill_logits == found.distill_features == 0.0
    assert found.schedule == "plateau"
    assert found.mirror
    assert found.rotate > 0
    assert found.jitter > 0
    assert set(RECIPES[name].settings) <= set(StudentConfig.model_fields)


@pytest.mark.parametrize(
    ("strategy", "rate", "epochs"),
    [("freeze", 1e-3, 15), ("partial", 1e-4, 15), ("full", 1e-5, 20)],
)
def test_transfer_learning_is_slower_the_more_learns(
    strategy: str, rate: float, epochs: int
) -> None:
    found = StudentConfig(recipe=f"transfer_{strategy}")
    assert (found.strategy, found.learning_rate, found.epochs) == (strategy, rate, epochs)


def test_what_is_said_beside_a_recipe_goes_before_it(config: Path) -> None:
    """In the file and on the command line, in any order, even where it says the default."""
    assert student(config, "student.recipe=transfer_full").epochs == 3
    asked = ("student.learning_rate=0.01", "student.recipe=transfer_full", "student.turn=true")
    found = student(config, *asked)
    assert (found.learning_rate, found.turn, found.strategy) == (0.01, True, "full")
    assert student(config, "student.recipe=transfer_partial", "student.rotate=0").rotate == 0.0


def test_the_loaded_config_holds_the_values_and_reads_back_as_itself(config: Path) -> None:
    found = load_config(config, ["student.recipe=transfer_full"], {})
    said = found.model_dump(mode="json")["student"]
    assert (said["recipe"], said["learning_rate"], said["strategy"]) == (
        "transfer_full",
        1e-5,
        "full",
    )
    assert type(found).model_validate(found.model_dump(mode="json")) == found
    assert StudentConfig.model_validate_json('{"recipe": "transfer_full"}').learning_rate == 1e-5


def test_a_misspelt_recipe_is_met_with_the_nearest(config: Path) -> None:
    message = (
        r"student\.recipe: no such recipe: did you mean 'transfer_freeze'\?, got 'transfer_freze'"
    )
    with pytest.raises(ConfigError, match=message):
        student(config, "student.recipe=transfer_freze")
    with pytest.raises(ConfigError, match=r"no such recipe: there are transfer_freeze, "):
        student(config, "student.recipe=zz")
    with pytest.raises(ValidationError, match="did you mean 'transfer_full'"):
        StudentConfig(recipe="transfer_ful")


def test_a_key_is_of_the_values_and_not_of_the_name() -> None:
    named = StudentConfig(recipe="transfer_full")
    spelt = StudentConfig.model_validate(dict(RECIPES["transfer_full"].settings))
    keys = {student_key(small_index(), small_teacher(), each, seed=7) for each in (named, spelt)}
    assert len(keys) == 1
    assert student_key(small_index(), small_teacher(), StudentConfig(), seed=7) not in keys


def test_the_listing_shows_each_with_a_sentence() -> None:
    answer = list_recipes()
    assert list(answer.document["recipes"]) == list(RECIPES)
    assert all(any(line.startswith(f"{name}: ") for line in answer.lines) for name in RECIPES)
