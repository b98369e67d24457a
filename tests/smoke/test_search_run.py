"""`plumbline run … budget=…` as a user types it: the search finds a recipe, and everything after it says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli_line import Line

pytestmark = [pytest.mark.zenml, pytest.mark.training, pytest.mark.slow]

CONFIG = """
name: tiny
data:
  kind: synthetic
  ok_class: ok
  synthetic: {images_per_class: 16, size: 64}
teacher: {backbone: resnet10t, weights: none, image_size: 64}
student: {image_size: 32, epochs: 3, batch_size: 8, learning_rate: 1.0e-7}
search: {trials: 3, vary: [learning_rate, mix], learning_rate: [0.01, 0.03]}
monitor: {min_images: 20}
"""
"""The planted fault: a learning rate with which nothing is learnt."""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return Line(tmp_path_factory.mktemp("line"), CONFIG)


@pytest.fixture(scope="module")
def first(line: Line) -> dict[str, Any]:
    return line.run("budget=20m")


def test_the_search_is_a_step_and_its_recipe_is_trained(first: dict[str, Any]) -> None:
    recipe = first["recipe"]
    assert first["steps"]["search_recipe"] == "completed"
    assert recipe["trials"] == 3
    assert recipe["budget_seconds"] == 1200
    assert recipe["found"]["learning_rate"] >= 0.01
    assert f"student.learning_rate={recipe['found']['learning_rate']:.6g}" in recipe["changes"]
    assert "as configured" in recipe["sentence"]


def test_the_page_shows_every_trial(first: dict[str, Any]) -> None:
    page = Path(first["report"]).read_text()
    chapter = page.partition('id="search"')[2].partition("</section>")[0]
    assert chapter.count("<tr") == 1 + 3
    assert first["recipe"]["changes"] in chapter
    assert chapter.count('class="chart"') == 2
    assert "no trial saw" in chapter


def test_mlflow_holds_the_config_as_given_and_the_recipe_as_found(
    line: Line, first: dict[str, Any]
) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{line.store / 'mlflow.db'}")
    data = client.get_run(first["mlflow_run"]).data
    assert float(data.params["student.learning_rate"]) == 1e-7
    assert float(data.params["found.learning_rate"]) == first["recipe"]["found"]["learning_rate"]
    assert data.tags["search"] == first["recipe"]["sentence"]


@pytest.fixture(scope="module")
def by_hand(line: Line, first: dict[str, Any]) -> dict[str, Any]:
    """What was found, trained without a search."""
    return line.run("search=null", *first["recipe"]["changes"].split())


def test_again_unchanged_nothing_is_searched(line: Line, first: dict[str, Any]) -> None:
    again = line.run("budget=20m")
    assert again["steps"]["search_recipe"] == "cached"
    assert again["steps"]["train_student"] == "cached"
    assert again["digest"] == first["digest"]


def test_the_same_by_hand_is_the_same(first: dict[str, Any], by_hand: dict[str, Any]) -> None:
    assert "search_recipe" not in by_hand["steps"]
    assert by_hand["recipe"] is None
    assert by_hand["student"] == first["student"]
    assert by_hand["digest"] == first["digest"]


def test_a_searched_run_is_compared_as_the_recipe_it_found(
    line: Line, first: dict[str, Any], by_hand: dict[str, Any]
) -> None:
    out = line.folder / "compare.html"
    found = line.json("compare", first["run"], by_hand["run"], "--out", str(out))
    assert len(found["comparison"]["recipes"]) == 2  # the teacher, and one student found two ways


def test_a_budget_without_a_unit_is_the_users_mistake(line: Line) -> None:
    refused = line.json("run", str(line.config), "budget=20", code=2)
    (fault,) = refused["faults"]
    assert "search.budget: write a duration of up to 30 days with its units, such as 90s" in fault
    assert fault.endswith("got 20")
