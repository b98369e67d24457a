"""`plumbline run` of a grid on real, tiny runs: all cells, one that fails, a kill in the middle, the comparison."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.cli_line import Line
from tests.split_folder import tiny_line

pytestmark = [pytest.mark.zenml, pytest.mark.training, pytest.mark.slow]

SECTIONS = """
split: {{keep: true, group_near_copies: false, max_leak_rate: 1.0, seed: 1}}
student: {{image_size: 32, epochs: 2, batch_size: 16}}
monitor: {{min_images: 20}}
grid:
  model:
    small: {{student.architecture: plumbnet_s}}
    foreign: {{student.weights: {foreign}}}
  strategy:
    full: {{}}
    freeze: {{student.strategy: freeze}}
  seed: [1]
"""
SHARED = ("ingest_images", "check_data", "find_duplicates", "split_data", "extract_features")
NAMES = ["small-full-s1", "small-freeze-s1", "foreign-full-s1", "foreign-freeze-s1"]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    folder = tmp_path_factory.mktemp("line")
    foreign = folder / "foreign.safetensors"
    save_file({"stem.weight": np.zeros((3, 3), np.float32)}, foreign)
    return tiny_line(folder, SECTIONS.format(foreign=foreign), images_per_class=16)


@pytest.fixture(scope="module")
def killed(line: Line) -> None:
    """Killed while the second cell learns."""
    process = line.start("run", str(line.config))
    assert process.stderr is not None
    second = False
    for said in process.stderr:
        second = second or said.startswith("cell 2 of 4: small-freeze-s1 (eta ")
        if second and "train_student" in said:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert second


@pytest.fixture(scope="module")
def answer(line: Line, killed: None) -> dict[str, Any]:
    """Two good cells and two whose weights are of another network."""
    return line.run(code=2)


def by_name(line: Line) -> dict[str, dict[str, Any]]:
    return {run["name"]: run for run in line.json("runs")["runs"]}


def test_after_a_kill_finished_cells_are_not_repeated(line: Line, answer: dict[str, Any]) -> None:
    cells = answer["cells"]
    assert [cell["name"] for cell in cells] == NAMES
    assert [cell["repeated"] for cell in cells] == [False, True, True, True]
    runs = by_name(line)
    assert len(runs) == 5  # one of them was killed
    assert sorted(run["status"] for run in runs.values()).count("killed") == 1


def test_cells_that_fail_are_listed_with_their_sentence_and_stop_no_other(
    answer: dict[str, Any],
) -> None:
    assert [cell["status"] for cell in answer["cells"]] == ["completed"] * 2 + ["failed"] * 2
    for cell in answer["cells"][2:]:
        assert "weights 'foreign.safetensors' are not of plumbnet_s" in cell["sentence"]
    assert answer["next"][0].startswith("plumbline run ")


def test_what_cells_have_in_common_is_done_once(line: Line, answer: dict[str, Any]) -> None:
    runs = by_name(line)
    first, other, *_ = (runs[cell["run"]]["steps"] for cell in answer["cells"])
    assert {first[name] for name in SHARED} == {"completed"}
    assert {other[name] for name in (*SHARED, "train_teacher")} == {"cached"}
    assert other["train_student"] == "completed"


def test_the_comparison_is_by_recipe_and_written(answer: dict[str, Any]) -> None:
    recipes = [one["name"] for one in answer["comparison"]["recipes"]]
    assert recipes == ["teacher", "small-full", "small-freeze"]
    assert Path(answer["page"]).is_file()
    card = json.loads(Path(answer["card"]).read_text())
    assert card["name"] == answer["best"]
    assert set(card["origin"]["runs"]) <= {cell["run"] for cell in answer["cells"]}


def test_more_seeds_run_only_the_new_cells_and_join_their_recipe(
    line: Line, answer: dict[str, Any]
) -> None:
    changes = ("grid.seed=[1, 2]", "grid.strategy={full: {}}", "grid.model={small: {}}")
    more = line.run("student.architecture=plumbnet_s", *changes)
    assert [cell["repeated"] for cell in more["cells"]] == [False, True]
    seeds = {one["name"]: one["seeds"] for one in more["comparison"]["recipes"]}
    assert seeds == {"teacher": [1, 2], "small-full": [1, 2]}
    steps = by_name(line)[more["cells"][1]["run"]]["steps"]
    assert {steps[n] for n in ("ingest_images", "find_duplicates", "split_data")} == {"cached"}
    listed = line.json("run", str(line.config), *changes, "--cells")
    assert [cell["run"] for cell in listed["cells"]] == [cell["run"] for cell in more["cells"]]


def test_without_one_finished_run_there_is_no_comparison(
    line: Line, answer: dict[str, Any]
) -> None:
    model = f"grid.model={{foreign: {{student.weights: {line.folder / 'foreign.safetensors'}}}}}"
    code, out, _ = line.say("run", str(line.config), model)
    assert code == 2
    assert "Failed       foreign-full-s1: student: weights 'foreign.safetensors' are not of" in out
    assert "Grid         0 of 2 runs are finished, 0 of them now" in out
    assert "Comparison   none: no run is finished" in out


def test_a_file_that_is_missing_is_told_before_the_first_cell(line: Line) -> None:
    spoilt = "grid={student.weights: [gone.safetensors], seed: [1, 2]}"
    refused = line.run(spoilt, code=2)
    (said,) = refused["faults"]
    assert "grid.student.weights: student.weights: there is no file 'gone.safetensors'" in said


def test_cells_of_a_config_without_a_grid(line: Line) -> None:
    plain = line.folder / "plain.yaml"
    plain.write_text("name: plain\ndata: {kind: synthetic}\n")
    refused = line.json("run", str(plain), "--cells", code=2)
    assert "has no 'grid:' section" in refused["faults"][0]
