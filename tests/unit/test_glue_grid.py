"""The grid section: the cells that come of it, and every way to write it wrong, in one line each at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspection.errors import ConfigError
from pipelines.door import load_config
from pipelines.grid import MOST_CELLS, Cell, holds_grid, load_grid

BASE = """
name: demo
data: {kind: folder, root: images}
split: {seed: 1}
student: {epochs: 3}
"""
GRID = """
grid:
  model:
    small: {student.architecture: plumbnet_s}
    big: {student.architecture: plumbnet_m, student.weights: "${WEIGHTS}/m.safetensors"}
  strategy:
    freeze: {student.strategy: freeze, student.epochs: 5}
    full: {}
  seed: [7, 8]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "grid.yaml"
    path.write_text(text)
    return path


def cells(folder: Path, text: str, *changes: str) -> list[Cell]:
    return load_grid(written(folder, text), changes, {"WEIGHTS": "/w"})


def faults(folder: Path, grid: str, *changes: str, base: str = BASE) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_grid(written(folder, base + grid), changes, {})
    assert all("\n" not in fault for fault in caught.value.faults)
    return caught.value.faults


def test_every_variant_meets_every_other_and_the_first_axis_is_slowest(tmp_path: Path) -> None:
    found = cells(tmp_path, BASE + GRID)
    assert [cell.name for cell in found] == [
        f"{model}-{strategy}-s{seed}"
        for model in ("small", "big")
        for strategy in ("freeze", "full")
        for seed in (7, 8)
    ]
    assert [cell.recipe for cell in found][:4] == ["small-freeze"] * 2 + ["small-full"] * 2
    last = found[-1].config
    assert (last.seed, last.student.architecture, last.student.epochs) == (8, "plumbnet_m", 3)
    assert last.student.weights == "/w/m.safetensors"
    assert found[0].config.student.epochs == 5
    assert {cell.config.name for cell in found} == {"demo"}
    assert {cell.config.images_seed for cell in found} == {1}


def test_the_command_line_has_the_last_word_and_reaches_into_the_grid(tmp_path: Path) -> None:
    found = cells(tmp_path, BASE + GRID, "student.epochs=1", "grid.seed=[3]")
    assert {cell.config.student.epochs for cell in found} == {1}
    assert [cell.config.seed for cell in found] == [3] * 4


def test_a_grid_of_seeds_alone_is_one_recipe(tmp_path: Path) -> None:
    found = cells(tmp_path, BASE + "grid: {seed: [1, 2]}")
    assert [(cell.name, cell.recipe) for cell in found] == [("s1", "demo"), ("s2", "demo")]
    named = cells(tmp_path, BASE + "grid: {luck: {one: {seed: 1}, two: {seed: 2}}}")
    assert [(cell.name, cell.recipe) for cell in named] == [("one", "demo"), ("two", "demo")]


def test_a_list_axis_names_its_cells_by_key_and_value(tmp_path: Path) -> None:
    found = cells(tmp_path, BASE + "grid: {student.image_size: [64, 96], student.mirror: [true]}")
    assert [cell.name for cell in found] == ["image_size64-mirrorTrue", "image_size96-mirrorTrue"]


def test_for_other_commands_a_grid_is_its_base(tmp_path: Path) -> None:
    path = written(tmp_path, BASE + GRID)
    assert holds_grid(path)
    assert load_config(path, [], {}).student.epochs == 3
    assert not holds_grid(written(tmp_path, BASE))


def test_a_variant_changes_no_other_cell(tmp_path: Path) -> None:
    grid = "grid: {a: {tuned: {teacher.tune: {epochs: 2}}, plain: {}}}"
    tuned, plain = cells(tmp_path, BASE + grid)
    assert tuned.config.teacher.tune is not None
    assert plain.config.teacher.tune is None


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ("grid:", "grid: needs axes, such as 'seed: [7, 8, 9]', got None"),
        ("grid: {}", "grid: needs axes"),
        ("grid: [1]", "grid: needs axes, such as 'seed: [7, 8, 9]', got a list"),
        ("grid: {seed: []}", "grid.seed: is empty, and would leave no run"),
        ("grid: {model: {}}", "grid.model: is empty"),
        ("grid: {seed: 7}", "grid.seed: needs named variants (squeezenet: {KEY: VALUE}) or a list"),
        ("grid: {model: {a: 3}}", "grid.model.a: needs {KEY: VALUE} changes ({} for none), got 3"),
        ("grid: {model: {a: }}", "grid.model.a: needs {KEY: VALUE} changes"),
        ("grid: {model: {a-b: {}}}", "grid.model: 'a-b' is no name for a variant"),
        ("grid: {model: {on: {}}}", "grid.model: True is no name for a variant"),
        ("grid: {model: {1: {}}}", "grid.model: 1 is no name for a variant"),
        ("grid: {seed: [7, 7]}", "grid.seed: 's7' is there twice"),
        ("grid: {student.weights: [a/b]}", "grid.student.weights: 'a/b' gives no name: name it"),
        ("grid: {seed: [[1]]}", "grid.seed: a list gives no name"),
        ("grid: {a: {b: {student: {epochs: 2}}}}", "write student.epochs: …"),
        ("grid: {a: {b: {3: 2}}}", "grid.a.b: 3 is no key such as student.epochs"),
        ("grid: {a: {b: {data.root: x}}}", "grid.a.b: data.root: all runs of a grid are tested on"),
        ("grid: {split.seed: [1, 2]}", "grid.split.seed: split.seed: all runs of a grid"),
        (
            "grid: {a: {b: {student.epoch: 1}}}",
            "grid.a.b: student.epoch: unknown key: did you mean",
        ),
        (
            "grid: {a: {b: {student.epochs: x}}}",
            "grid.a.b: student.epochs: input should be a valid",
        ),
        ("grid: {studnt.epochs: [1]}", "grid.studnt.epochs: studnt: unknown key: did you mean 'st"),
        ("grid: {a: {b: {student.epochs.c: 1}}}", "grid.a.b: student.epochs.c: 'epochs' holds a"),
        ("grid: {a: {b: {student.weights: '${W}'}}}", "grid.a.b: student.weights: ${W} is not set"),
        ("grid: {seed: [-1]}", "grid.seed: seed: input should be greater"),
        ("grid: {a: {b: {seed: 1}}, c: {d: {seed: 2}}}", "grid.c.d: seed is set by grid.a.b too"),
        (
            "grid: {a: {b: {teacher.tune: {}}}, c: {d: {teacher.tune.epochs: 2}}}",
            "grid.c.d: teacher.tune.epochs is set by grid.a.b too",
        ),
        (
            "grid: {a: {b: {}, c: {student.epochs: 3}}}",
            "grid: 'c' is the same run as 'b': leave one out",
        ),
    ],
)
def test_each_mistake_is_said_at_its_place(tmp_path: Path, grid: str, said: str) -> None:
    found = faults(tmp_path, grid)
    assert len(found) == 1, found
    assert said in found[0]
    assert found[0].startswith(str(tmp_path / "grid.yaml"))


def test_faults_of_all_cells_come_at_once_and_each_once(tmp_path: Path) -> None:
    grid = "grid: {a: {b: {student.epoch: 1}, c: {student.wieghts: x}}, seed: [1, 2, 3]}"
    assert len(faults(tmp_path, grid)) == 2
    found = faults(tmp_path, "grid: {seed: [1, 2]}", "student.epoch=1", "oops")
    assert found == ("'oops': a change is key=value, for example student.epochs=10",)


def test_a_fault_of_the_base_or_the_command_line_is_not_blamed_on_a_variant(tmp_path: Path) -> None:
    (said,) = faults(tmp_path, "grid: {seed: [1, 2]}", base=BASE + "gate: {min_accuracy: 2}\n")
    assert "yaml: gate.min_accuracy: " in said
    grid = "grid: {a: {b: {student.epochs: 2}}}"
    (said,) = faults(tmp_path, grid, "student.epochs=0")
    assert "yaml: student.epochs: " in said


def test_seeds_without_a_fixed_split_are_refused(tmp_path: Path) -> None:
    base = BASE.replace("split: {seed: 1}\n", "")
    (said,) = faults(tmp_path, "grid: {seed: [1, 2]}", base=base)
    assert "grid changes the seed: each seed would be tested on other images" in said
    assert "split.seed=7" in said
    assert len(load_grid(tmp_path / "grid.yaml", ["split.seed=7"], {})) == 2


def test_cells_are_limited_before_they_are_made(tmp_path: Path) -> None:
    seeds = list(range(40))
    grid = f"grid: {{seed: {seeds}, student.epochs: {seeds[1:]}}}"
    assert f"1560 cells, the limit is {MOST_CELLS}" in faults(tmp_path, grid)[0]


def test_an_alias_that_holds_itself_is_refused(tmp_path: Path) -> None:
    (said,) = faults(tmp_path, "grid: &a {seed: [1], b: *a}")
    assert "holds itself" in said


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    assert "'b' is given twice" in faults(tmp_path, "grid: {a: {b: {}, b: {}}}")[0]
