"""`plumbline run` of a grid: every cell through the train pipeline, then all of them compared.

Covered: a grid that was killed goes on, finished cells are not repeated; a cell that fails is listed with its sentence
and the others go on. Not covered: several cells at a time.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from deploy.edge.files import canonical_json, sha256_bytes
from inspection.errors import ConfigError, Interrupted, UserError
from pipelines.caching import code_fingerprint
from pipelines.commands.keys import check_keys
from pipelines.commands.run import (
    carry_out,
    missing_files,
    run_config,
    source_state,
)
from pipelines.faults import as_ours, sentence_of
from pipelines.grid import Cell, holds_grid, load_grid
from pipelines.launcher.client import open_zenml
from pipelines.launcher.launch import flight
from pipelines.launcher.run_records import RunRecord, Status, all_runs
from pipelines.output import Answer, Table, stdout_is_stderr
from pipelines.settings import Settings, make_store

PAGE = "compare.html"
FINISHED: tuple[Status, ...] = ("completed", "refused")
"""A model that its gate refused is compared all the same."""


@dataclass(frozen=True)
class Outcome:
    """How a cell ended; `exit_code` is that of its failure, else 0."""

    cell: Cell
    record: RunRecord
    repeated: bool = True
    exit_code: int = 0


@dataclass(frozen=True)
class Grid:
    """What was asked: the cells, and how."""

    path: Path
    changes: tuple[str, ...]
    cells: Sequence[Cell]
    asked: Sequence[str]
    """Of each cell, the content address of all that decides it."""
    sources: Sequence[str]

    @property
    def command(self) -> str:
        """What a user types to have it."""
        return shlex.join(["plumbline", "run", str(self.path), *self.changes])

    @property
    def name(self) -> str:
        """Of the grid's folder: equal for equal grids on equal images."""
        return f"{self.cells[0].config.name}-{sha256_bytes(canonical_json(list(self.asked)))[:12]}"


def run_any(
    path: Path,
    changes: Sequence[str],
    *,
    settings: Settings,
    fresh: bool,
    cells_only: bool,
    now: Callable[[], datetime],
) -> Answer:
    """One run, or all of a grid."""
    if not holds_grid(path, changes):
        if cells_only:
            raise UserError(f"--cells: '{path}' has no 'grid:' section, it is one run")
        return run_config(path, changes, settings=settings, fresh=fresh, now=now)
    if cells_only:
        return list_cells(path, changes, settings=settings)
    return run_grid(path, changes, settings=settings, fresh=fresh, now=now)


def run_grid(
    path: Path,
    changes: Sequence[str],
    *,
    settings: Settings,
    fresh: bool,
    now: Callable[[], datetime],
) -> Answer:
    """Run every cell that is not finished already, and compare; exit code that of the worst failure."""
    check_keys(settings.store)
    grid = _grid(path, changes, settings)
    with stdout_is_stderr():
        open_zenml(settings)
        outcomes = list(_outcomes(grid, settings, fresh, now))
        finished = [one.record for one in outcomes if one.record.status in FINISHED]
        target = settings.store.grids / grid.name / PAGE
        found = _compared(finished, target, now) if finished else "no run is finished"
    return _answer(grid, outcomes, found)


def list_cells(path: Path, changes: Sequence[str], *, settings: Settings) -> Answer:
    """The cells of a grid, and which are finished; nothing is run."""
    grid = _grid(path, changes, settings)
    known = _finished(settings)
    cells = [(cell, known.get(key)) for cell, key in zip(grid.cells, grid.asked, strict=True)]
    rows = [
        (cell.name, record.name if record else "to do", _told(cell.changes))
        for cell, record in cells
    ]
    return Answer(
        document={
            "cells": [
                {"name": cell.name, "changes": dict(cell.changes), "run": done and done.name}
                for cell, done in cells
            ]
        },
        table=Table(("cell", "run", "changes"), rows),
        next=[grid.command],
    )


def _told(changes: Any) -> str:
    return " ".join(f"{key}={value}" for key, value in changes.items())


def _grid(path: Path, changes: Sequence[str], settings: Settings) -> Grid:
    cells = load_grid(path, changes, settings.variables)
    missing = [f"{path}: {cell.placed(f)}" for cell in cells for f in missing_files(cell.config)]
    if missing:
        raise ConfigError(list(dict.fromkeys(missing)))
    make_store(settings)
    # Cells have their images in common, so one reading of the folder serves all of one seed.
    states: dict[bytes, str] = {}
    sources = []
    for cell in cells:
        key = canonical_json([cell.config.data.model_dump(mode="json"), cell.config.images_seed])
        if key not in states:
            states[key] = source_state(cell.config, settings.store)
        sources.append(states[key])
    asked = [_asked(cell, source) for cell, source in zip(cells, sources, strict=True)]
    return Grid(path, tuple(changes), cells, asked, sources)


def _asked(cell: Cell, source: str) -> str:
    from inspection.models.networks import weights_fingerprint

    config = cell.config
    weights = [weights_fingerprint(w) for w in (config.teacher.weights, config.student.weights)]
    document = [config.model_dump(mode="json"), cell.recipe, source, weights, code_fingerprint()]
    return sha256_bytes(canonical_json(document))


def _finished(settings: Settings) -> dict[str, RunRecord]:
    """Latest finished runs of cells whose bundle still stands, by what was asked."""
    return {
        record.asked: record
        for record in all_runs(settings.store)
        if record.asked
        and record.status in FINISHED
        and Path(record.made.get("bundle", "/")).joinpath("manifest.json").is_file()
    }


def _outcomes(
    grid: Grid, settings: Settings, fresh: bool, now: Callable[[], datetime]
) -> Iterator[Outcome]:
    known = {} if fresh else _finished(settings)
    left = sum(key not in known for key in grid.asked)
    took: list[float] = []
    for number, cell in enumerate(grid.cells):
        said = f"cell {number + 1} of {len(grid.cells)}: {cell.name}"
        if (record := known.get(grid.asked[number])) is not None:
            _say(f"{said} (finished already: {record.name})")
            yield Outcome(cell, record, repeated=False)
            continue
        _say(f"{said}{_eta(took, left)}")
        begun = now()
        yield _attempt(grid, number, settings, fresh, now)
        took.append((now() - begun).total_seconds())
        left -= 1


def _eta(took: Sequence[float], left: int) -> str:
    if not took:
        return ""
    seconds = sum(took) / len(took) * left
    return f" (eta {seconds:.0f} s)" if seconds < 120 else f" (eta {seconds / 60:.0f} min)"


def _attempt(
    grid: Grid, number: int, settings: Settings, fresh: bool, now: Callable[[], datetime]
) -> Outcome:
    cell, config = grid.cells[number], grid.cells[number].config
    trip = None
    try:
        with flight(
            "train",
            config.name,
            settings.store,
            now,
            cell=cell.name,
            recipe=cell.recipe,
            asked=grid.asked[number],
        ) as trip:
            source, command = grid.sources[number], grid.command
            carry_out(trip, config, source, command, fresh=fresh, settings=settings)
    # The end of one command among many: whatever broke this cell, the others deserve their turn.
    except Exception as error:
        ours = as_ours(error)
        if isinstance(ours, Interrupted) or trip is None:
            raise
        _say(f"cell '{cell.name}' failed: {sentence_of(error)}")
        return Outcome(cell, trip.record, exit_code=ours.exit_code)
    return Outcome(cell, trip.record)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _compared(
    records: Sequence[RunRecord], target: Path, now: Callable[[], datetime]
) -> Answer | str:
    """The comparison, or why there is none: the runs are listed in any case."""
    from pipelines.commands.compare import compare_records

    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        return compare_records(records, target, now=now)
    except UserError as error:
        return str(error)


def _answer(grid: Grid, outcomes: Sequence[Outcome], found: Answer | str) -> Answer:
    compared = None if isinstance(found, str) else found
    failed = [one for one in outcomes if one.exit_code]
    finished, cells = len(outcomes) - len(failed), len(outcomes)
    repeated = sum(one.repeated for one in outcomes) - len(failed)
    lines = [
        *(f"Failed       {one.cell.name}: {one.record.sentence}" for one in failed),
        f"Grid         {finished} of {cells} runs are finished, {repeated} of them now",
        *(compared.lines if compared else [f"Comparison   none: {found}"]),
    ]
    runs = [one.record.name for one in outcomes if not one.exit_code]
    code = 0 if compared else UserError.exit_code
    return Answer(
        document={
            "cells": [_document(one) for one in outcomes],
            **(compared.document if compared else {"comparison": None, "sentence": found}),
        },
        table=compared.table if compared else None,
        lines=lines,
        next=[grid.command] if failed else [f"plumbline report {runs[-1]}"],
        exit_code=min((one.exit_code for one in failed), default=code),
    )


def _document(one: Outcome) -> dict[str, object]:
    return {
        "name": one.cell.name,
        "recipe": one.cell.recipe,
        "run": one.record.name,
        "status": one.record.status,
        "seconds": one.record.seconds,
        "repeated": one.repeated,
        "sentence": one.record.sentence,
    }
