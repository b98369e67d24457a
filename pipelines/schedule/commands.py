"""Is it a command that can run by itself? Asked when a schedule is entered, not at three in the morning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inspection.data.readers.stated import shown
from inspection.errors import UserError
from pipelines.door import load_config
from pipelines.grid import holds_grid, load_grid
from pipelines.settings import nearest

NEVER_ALONE: Mapping[str, str] = {
    "ui": "it serves pages until somebody ends it",
    "schedule": "the scheduler does not start itself",
}
IMAGES_NEEDED = ("run",)
"""Commands that read a config's images; others may run on a machine without them."""


def check_command(
    root: Any, words: Sequence[str], variables: Mapping[str, str]
) -> Mapping[str, Any]:
    """What these words state to their command; UserError or ConfigError with what `plumbline` would say to them.

    Nothing is run. `root` is the command line itself, a Click group.
    """
    leaf, rest = _leaf(root, words, ())
    try:
        stated: Mapping[str, Any] = leaf.make_context(" ".join(words), list(rest)).params
    except Exception as error:  # Click's, of which Typer may carry its own
        said = getattr(error, "format_message", None)
        if said is None:
            raise
        raise UserError(f"plumbline {' '.join(words)}: {_start(said())}") from error
    if "config" in stated:
        _check_config(words[0], stated, variables)
    for name in ("log", "bundle"):
        path = stated.get(name)
        if isinstance(path, Path) and not path.exists():
            raise UserError(f"plumbline {' '.join(words)}: there is no folder '{path}'")
    return stated


def _leaf(group: Any, words: Sequence[str], above: Sequence[str]) -> tuple[Any, Sequence[str]]:
    """The command that the first words name, below those `above`, and the words left for it."""
    name, *rest = words or [""]
    if name in NEVER_ALONE:
        named = " ".join(("plumbline", *above, name))
        raise UserError(f"'{named}' cannot be scheduled: {NEVER_ALONE[name]}")
    known = {one: found for one, found in group.commands.items() if one not in NEVER_ALONE}
    if name not in known:
        raise UserError(f"unknown command {shown(name)}{nearest(name, list(known))}")
    found = known[name]
    return _leaf(found, rest, (*above, name)) if hasattr(found, "commands") else (found, rest)


def _check_config(command: str, stated: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    path, changes = Path(stated["config"]), list(stated.get("changes") or [])
    if command == "run" and holds_grid(path, changes):
        load_grid(path, changes, variables)
    else:
        load_config(path, changes, variables, need_all=command in IMAGES_NEEDED)


def _start(sentence: str) -> str:
    """Without the full stop, so that it can stand in a line of ours."""
    return " ".join(sentence.split()).rstrip(".")
