"""Settings: environment over .env over defaults, and misspelt .env keys refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspection.errors import ConfigError
from pipelines.settings import load_settings, nearest


def test_defaults_lie_in_the_current_folder(tmp_path: Path) -> None:
    settings = load_settings({}, tmp_path)
    assert settings.store.root == tmp_path.resolve() / ".plumbline"
    assert settings.tracking_uri == f"sqlite:///{tmp_path.resolve()}/.plumbline/mlflow.db"
    assert not settings.debug
    assert not settings.store.root.exists()  # looking creates nothing


def test_the_environment_wins_over_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PLUMBLINE_STORE=/from/file\nPLUMBLINE_DATA=/images\nOTHER=1\n")
    settings = load_settings({"PLUMBLINE_STORE": "/from/environment"}, tmp_path)
    assert settings.store.root == Path("/from/environment")
    assert settings.variables["PLUMBLINE_DATA"] == "/images"


def test_a_relative_store_is_made_absolute(tmp_path: Path) -> None:
    settings = load_settings({"PLUMBLINE_STORE": "a/../b"}, tmp_path)
    assert settings.store.root == tmp_path.resolve() / "b"


def test_a_misspelt_dotenv_key_is_refused_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PLUMBLINE_STOER=/x\nPLUMBLINE_DATTA=/y\n")
    with pytest.raises(ConfigError) as caught:
        load_settings({}, tmp_path)
    assert len(caught.value.faults) == 2
    assert "did you mean 'PLUMBLINE_STORE'?" in caught.value.faults[0]


@pytest.mark.parametrize(
    ("value", "debug"), [("1", True), ("0", False), ("", False), ("false", False)]
)
def test_debug(tmp_path: Path, value: str, debug: bool) -> None:
    assert load_settings({"PLUMBLINE_DEBUG": value}, tmp_path).debug is debug


def test_nearest_lists_what_is_valid_when_nothing_is_near() -> None:
    assert nearest("epoch", ["epochs", "seed"]) == ": did you mean 'epochs'?"
    assert nearest("zzz", ["epochs", "seed"]) == ": valid are epochs, seed"
