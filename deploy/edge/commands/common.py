"""What every command of `plumbline-edge` shares: its first arguments, how it speaks, how it shows a runtime."""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.edge.engines.registry import ENGINES
from deploy.edge.engines.resolver import AUTO, spoken
from deploy.edge.errors import UserError

if TYPE_CHECKING:
    from deploy.edge.inspector import Inspector
    from deploy.edge.signing import Trust

BUNDLE_HELP = "folder of the bundle (it holds manifest.json)"
KEYS_VARIABLE = "PLUMBLINE_KEYS"


def add_command(
    commands: Any, name: str, run: Any, summary: str, *, engine: bool = True
) -> argparse.ArgumentParser:
    """A command that opens a bundle: `run` gets its options and gives the exit code.

    With `engine` it runs the bundle and takes the options of that.
    """
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
    )
    command.add_argument("bundle", metavar="BUNDLE", type=Path, help=BUNDLE_HELP)
    command.add_argument(
        "--variant", metavar="NAME", help="precision (default: as the bundle's plan says)"
    )
    origin = command.add_mutually_exclusive_group()
    origin.add_argument(
        "--keys",
        type=folder_path,
        metavar="FOLDER",
        help=f"run only what one of its *.pub keys signed (default: ${KEYS_VARIABLE})",
    )
    origin.add_argument(
        "--unsigned", action="store_true", help="run it whoever made it: no signature is checked"
    )
    if engine:
        _add_engine_options(command)
    command.set_defaults(run=run)
    return command


def _add_engine_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--engine",
        default=AUTO,
        metavar="NAME",
        help=f"runtime: {', '.join(ENGINES)}, or auto: the fastest that runs here (default)",
    )
    command.add_argument(
        "--require", metavar="NAME", help="refuse to run on any other runtime than this one"
    )
    command.add_argument(
        "--threads", type=int, metavar="N", help="threads (default: cores, at most 4)"
    )


def open_inspector(options: argparse.Namespace) -> Inspector:
    """The bundle in a running engine, as the command's arguments ask."""
    from deploy.edge.inspector import Inspector

    return Inspector.open(
        options.bundle,
        engine=options.engine,
        threads=options.threads,
        variant=options.variant,
        trust=trust_of(options),
        require=options.require,
    )


def trust_of(options: argparse.Namespace) -> Trust | None:
    """The keys that the bundle must be signed by; None only where somebody said --unsigned."""
    from deploy.edge.signing import read_trust

    if options.unsigned:
        return None
    folder = options.keys or os.environ.get(KEYS_VARIABLE, "").strip()
    if not folder:
        raise UserError(
            f"no keys to check the bundle's signature with: give --keys FOLDER or set {KEYS_VARIABLE}, "
            "or say --unsigned to run it whoever made it"
        )
    return read_trust(Path(folder))


def origin_words(options: argparse.Namespace) -> str:
    """The same answer again, for the next command line that is shown."""
    if options.unsigned:
        return " --unsigned"
    return f" --keys {shlex.quote(str(options.keys))}" if options.keys else ""


def say(text: str) -> None:
    """One line for people, on stderr."""
    print(" ".join(text.split()), file=sys.stderr)


def say_engine(inspector: Inspector) -> None:
    """Which runtime was chosen and why no faster one, if there was a choice."""
    if line := spoken(inspector.engine.name, inspector.passed_over):
        say(line)


def engine_line(facts: Any) -> str:
    """A running engine in a line: version, threads, where its nodes are."""
    where = ", ".join(f"{n} nodes on {name}" for name, n in facts["placement"].items())
    return f"{facts['engine']} {facts['version']}, threads {facts['threads']}, {where or 'CPU'}"


def folder_path(text: str) -> Path:
    """An argument that is a folder, never an empty one."""
    if not text.strip():  # else it would be the current folder
        raise argparse.ArgumentTypeError("empty: is the shell variable behind it set?")
    return Path(text)


def stream_name(text: str) -> str:
    """An argument that names a camera, line or session: one printable word or more, at most 100 characters."""
    name = text.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise argparse.ArgumentTypeError("must be 1 to 100 printable characters")
    return name


def positive(text: str) -> float:
    """An argument that is a finite number above 0."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
    return value
