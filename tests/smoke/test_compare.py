"""`plumbline compare` on real, tiny runs: seeds are grouped, the page and the card are written, mistakes exit 2."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inspection.evaluation.recipe_card import RecipeCard
from inspection.store import Store
from pipelines.launcher.process import this_process
from pipelines.launcher.run_records import RunRecord, Status
from tests.cli_line import Line
from tests.split_folder import tiny_line

pytestmark = [pytest.mark.zenml, pytest.mark.training, pytest.mark.slow]

SECTIONS = """
split: {keep: true, group_near_copies: false, max_leak_rate: 1.0}
student: {image_size: 64, epochs: 3, batch_size: 16}
monitor: {min_images: 20}
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return tiny_line(tmp_path_factory.mktemp("line"), SECTIONS, images_per_class=16)


@pytest.fixture(scope="module")
def runs(line: Line) -> list[str]:
    """Two seeds of one recipe and another recipe."""
    asked = (["seed=1"], ["seed=2"], ["seed=1", "student.epochs=1"])
    return [line.run(*changes)["run"] for changes in asked]


def test_seeds_are_grouped_and_page_and_card_are_written(line: Line, runs: list[str]) -> None:
    page = line.folder / "out" / "which.html"
    answer = line.json("compare", *runs, "--out", str(page))
    found = {one["name"]: one for one in answer["comparison"]["recipes"]}
    assert list(found) == ["teacher", "tiny (student.epochs=3)", "tiny (student.epochs=1)"]
    assert [one["seeds"] for one in found.values()] == [[1, 2], [1, 2], [1]]
    assert answer["comparison"]["images"] == 24
    assert answer["best"] in found
    assert all(one["cost"]["training_seconds"] > 0 for one in found.values())
    # A head learns, its backbone does not.
    cost = found["teacher"]["cost"]
    assert 0 < cost["trained_parameters"] < cost["parameters"] / 5
    text = page.read_text()
    assert "Where they disagree" in text
    assert "data:image/jpeg" in text
    assert answer["sentence"] in text.replace("&#x27;", "'")
    both = answer["classifiers"]
    assert list(both) == ["tiny (student.epochs=3)", "tiny (student.epochs=1)"]
    (probe, mlp, small, student) = both["tiny (student.epochs=3)"]["recipes"]
    assert [one["seeds"] for one in (probe, mlp, small, student)] == [[1, 2]] * 4
    assert 0 < small["cost"]["head_parameters"] < mlp["cost"]["head_parameters"]
    assert probe["cost"]["parameters"] > 100 * probe["cost"]["head_parameters"] > 0
    assert text.count("<caption>What each costs, end to end</caption>") == 2
    card = RecipeCard.load(Path(answer["card"]))
    assert card.name == answer["best"]
    assert set(card.origin.runs) <= set(runs)
    assert card.test_digest == answer["comparison"]["test_digest"]
    assert len(card.origin.weights_sha256) == len(card.figures.seeds)


def test_one_run_is_its_student_against_its_teacher(line: Line, runs: list[str]) -> None:
    code, out, err = line.say("compare", runs[0], "--out", str(line.folder / "one.html"))
    assert code == 0, err
    assert "teacher" in out
    assert "the best" in out


def test_another_test_set_is_refused_in_one_line(line: Line, runs: list[str]) -> None:
    other = line.run("split.keep=false", "split.test=0.4")["run"]
    refused = line.json("compare", runs[0], other, code=2)
    assert refused["error"] == "DataError"
    assert len(refused["faults"]) == 1
    assert "compare runs of one frozen test set" in refused["faults"][0]
    assert not (line.folder / "compare.html").exists()


def test_unknown_and_unfinished_runs_are_refused_in_one_line(line: Line, runs: list[str]) -> None:
    unknown = line.json("compare", runs[0], "tiny-none", code=2)
    assert "no run 'tiny-none'" in unknown["faults"][0]
    store = Store(line.store)
    states: tuple[Status, ...] = ("failed", "stopped", "killed", "refused")
    for status in states:
        record = RunRecord(
            f"tiny-{status}", "train", "tiny", datetime.now(UTC), this_process(), status=status
        )
        record.write(store)
        said = line.json("compare", runs[0], record.name, code=2)["faults"]
        assert len(said) == 1
        assert f"run '{record.name}' is not finished ({status})" in said[0]
    watch = dataclasses.replace(record, name="tiny-watch", pipeline="monitor", status="completed")
    watch.write(store)
    assert "trained nothing (monitor)" in line.json("compare", "tiny-watch", code=2)["faults"][0]


def test_the_page_must_be_a_page(line: Line, runs: list[str]) -> None:
    refused = line.json("compare", *runs, "--out", "table.csv", code=2)
    assert "ends in .html" in json.dumps(refused["faults"])
