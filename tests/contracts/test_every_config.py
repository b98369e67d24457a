"""Every config in configs/: opens with its command, expected time and expected result, and passes the door."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inspection.config import RunConfig
from inspection.errors import ConfigError
from pipelines.door import load_config
from pipelines.grid import holds_grid, load_grid

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
VARIABLES = {"PLUMBLINE_DATA": "/data", "PLUMBLINE_WEIGHTS": "/weights"}
HEAD = ("Command", "Time", "Result")


def head_of(text: str) -> list[str]:
    """The comment block that opens the file, without its marks."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").rstrip())
    return lines


def missing_from_head(text: str) -> list[str]:
    """Which of the three promises the head does not make."""
    head = "\n".join(head_of(text))
    promised = {name: rf"^(Expected )?{name}: *\S" for name in HEAD}
    found = {name: re.search(said, head, re.MULTILINE | re.I) for name, said in promised.items()}
    return [name for name in HEAD if not found[name]]


def test_there_are_configs() -> None:
    assert {"demo", "neu_det", "magnetic_tile"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_opens_with_its_promises(path: Path) -> None:
    assert missing_from_head(path.read_text()) == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_command_in_the_head_is_this_configs(path: Path) -> None:
    command = re.search(r"^Command: *(.+)$", "\n".join(head_of(path.read_text())), re.MULTILINE)
    assert command is not None
    words = command[1].replace("(", " ").replace(")", " ").split()
    assert "plumbline" in words
    assert f"configs/{path.name}" in words
    changes = [word for word in words[words.index(f"configs/{path.name}") + 1 :] if "=" in word]
    assert load_config(path, changes, VARIABLES)  # its own changes pass the door too


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_passes_the_door_under_its_own_name(path: Path) -> None:
    config = load_config(path, [], VARIABLES)
    assert isinstance(config, RunConfig)
    assert config.name == path.stem


def test_every_cell_of_a_grid_passes_the_door() -> None:
    grids = [path for path in CONFIGS if holds_grid(path)]
    counts = {path.stem: len(load_grid(path, [], VARIABLES)) for path in grids}
    assert counts == {"flowers_grid": 18}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_names_no_folder_of_ours(path: Path) -> None:
    assert not re.search(r"\.\./|/home/|/work/|shared/", path.read_text())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_misspelt_key_in_it_is_caught(path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown key: did you mean 'epochs'"):
        load_config(path, ["student.epoch=1"], VARIABLES)


def test_a_head_without_its_promises_is_caught() -> None:
    good = (
        "# Mine.\n# Command: plumbline run configs/a.yaml\n# Time: 1 min\n# Result: 0.9\nname: a\n"
    )
    assert missing_from_head(good) == []
    assert missing_from_head(good.replace("# Time:", "# Tim:")) == ["Time"]
    assert missing_from_head(good.replace("1 min", "")) == ["Time"]
    assert missing_from_head("name: a\n" + good) == list(HEAD)  # it has to open the file
