"""What a command answers, on stdout: one document for machines; lines and a table for people. All else is stderr."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inspection.errors import ConfigError, PlumblineError, UserError

GAP = 2
"""Characters between columns of a table."""
SENTENCE = 24
"""Width that its last column gets in the narrowest terminal."""


@dataclass(frozen=True)
class Table:
    """Columns and rows of text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Answer:
    """What a command made. `next` is the command that a user would type now."""

    document: Mapping[str, Any]
    lines: Sequence[str] = ()
    table: Table | None = None
    next: Sequence[str] = field(default=())
    exit_code: int = 0


def data_command(*words: object) -> str:
    """`plumbline data …` as a user can type it, names with blanks in quotes."""
    return shlex.join(["plumbline", "data", *map(str, words)])


def say(answer: Answer, *, as_json: bool) -> int:
    """Print the answer on stdout and return its exit code."""
    if as_json:
        _print_json({**answer.document, "next": list(answer.next), "exit_code": answer.exit_code})
        return answer.exit_code
    if answer.table is not None:
        _print_table(answer.table)
    for line in answer.lines:
        print(line)
    for i, command in enumerate(answer.next):
        print(f"{'Next:' if i == 0 else '     '}  {command}")
    return answer.exit_code


def say_error(error: PlumblineError, *, as_json: bool) -> int:
    """One line per fault on stderr; with `as_json` also a document on stdout."""
    faults = list(error.faults) if isinstance(error, ConfigError) else [str(error)]
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if as_json:
        kind = type(error).__name__
        _print_json({"error": kind, "faults": faults, "exit_code": error.exit_code})
    return error.exit_code


def say_usage(fault: str, *, as_json: bool) -> int:
    """A wrong command line, which Typer has already told people about; its document and its exit code."""
    if as_json:
        _print_json({"error": "UsageError", "faults": [fault], "exit_code": UserError.exit_code})
    return UserError.exit_code


@contextlib.contextmanager
def stdout_is_stderr() -> Iterator[None]:
    """Whatever libraries print inside, down to C code, lands on stderr: stdout belongs to the answer."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _print_json(document: Mapping[str, Any]) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False, default=str))


def _print_table(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable

    columns = list(zip(table.columns, *table.rows, strict=True))
    widths = [max(len(cell) for cell in cells) for cells in columns]
    fixed = sum(widths[:-1]) + GAP * len(widths)
    drawn = RichTable(box=None, pad_edge=False, header_style="bold")
    for name, width in zip(table.columns[:-1], widths[:-1], strict=True):
        drawn.add_column(name, no_wrap=True, min_width=width)
    drawn.add_column(table.columns[-1], overflow="fold")
    for row in table.rows:
        drawn.add_row(*row)
    # Names are there to be copied: only the last column, of sentences, is ever wrapped.
    shown = shutil.get_terminal_size().columns if sys.stdout.isatty() else fixed + widths[-1]
    console = Console(
        highlight=False,
        markup=False,
        width=max(shown, fixed + SENTENCE),
        # Rich's own reading of NO_COLOR leaves bold letters in.
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        force_terminal=False if os.environ.get("NO_COLOR") else None,
    )
    with console.capture() as drawing:
        console.print(drawn)
    for line in drawing.get().splitlines():
        print(line.rstrip())
