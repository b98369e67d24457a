"""Does deduplication drop copies and keep defects? Re-captures of real tiles, with and without a scratch.

One threshold for everything, and the defaults of `plumbline`. A pair is *dropped* if its hashes differ in few enough
bits to be compared and the comparison says "same", *grouped* if it says "alike" (both stay in one split), else *apart*.
Side by side on the same files: imagededup (PHash, its default radius and radius 0) and CleanVision (its defaults); what
they call duplicates, a user would drop.

Counted besides: scratches at and above the smallest defect that is promised (`SMALLEST_DEFECT`), and above what the
pair itself said it could show; the same pairs had the scratch's own contrast been declared as the smallest defect;
photographs of one tile under really different exposures; and strangers, pairs of tiles from two classes of the set.
`make benchmarks` takes all tiles; needs PLUMBLINE_TEST_ASSETS and a package index for the other two.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import rivals
from dedupe_pairs import WORKERS, Cell, Job, Outcome, carried_out, run_jobs, share
from machine import write_result
from real_pairs import PairOfFiles, of_strangers, re_exposures, strangers
from recaptures import Scratch, original, tiles

from data_checks.same_view import SMALLEST_DEFECT

AMPLITUDES = (6, 8, 10, 12, 16, 20, 24, 30)
LENGTHS = (20, 40)
SIGMAS = (2.0, 5.0)
PROMISES = {
    "benign": (">=", 0.95),
    "3 x 30 px at 30": ("<=", 0.01),
    "2 x 20 px at 16": ("<=", 0.10),
}
"""Share of the pairs that is dropped."""
RE_EXPOSURES_PER_TILE = 2.5
SECONDS_PER_FILE = 0.02
"""Pairs to be found per tile, and what the other two need for one file, about: for the estimate only."""


def main_cells() -> list[Cell]:
    """Copies, and the two scratches about which promises are made."""
    return [
        Cell("benign", 2.0, None),
        Cell("3 x 30 px at 30", 2.0, Scratch(3, 30, 30.0)),
        Cell("2 x 20 px at 16", 2.0, Scratch(2, 20, 16.0)),
    ]


def curve_cells() -> list[Cell]:
    """Scratches from invisible to plain, 2 px wide."""
    return [
        Cell(
            f"2 x {length} px at {level}, noise {sigma:g}", sigma, Scratch(2, length, float(level))
        )
        for sigma in SIGMAS
        for length in LENGTHS
        for level in AMPLITUDES
    ]


def jobs_of(cells: Iterable[Cell], chosen: Sequence[Path], each: int, start: int) -> list[Job]:
    """So many pairs of every cell, over the tiles in turn; no two with the same seed."""
    made = []
    for number, cell in enumerate(cells, start):
        for n in range(each):
            place = (n + 97 * number) % len(chosen)
            names = (f"tile-{place:04d}.png", f"again-{number:02d}-{n:04d}.jpg")
            made.append(Job(cell, chosen[place], [number, n], *names))
    return made


def of_cell(outcomes: Sequence[Outcome], called: dict[str, list[bool]]) -> dict[str, Any]:
    """Figures of the pairs of one cell; `called` holds the others' answers on the same pairs."""
    fates = Counter(outcome.fate for outcome in outcomes)
    limits = [o.evidence.faintest for o in outcomes if o.evidence.faintest is not None]
    scratch = outcomes[0].job.cell.scratch
    figures: dict[str, Any] = {
        fate: share(fates[fate], len(outcomes)) for fate in ("dropped", "grouped", "apart")
    }
    figures["median_limit_of_detection"] = round(median(limits), 2) if limits else None
    figures["others_call_duplicates"] = {
        method: share(sum(answers), len(answers)) for method, answers in called.items()
    }
    if scratch is not None:
        lost = sum(outcome.dropped_if_declared(scratch.contrast) for outcome in outcomes)
        figures["dropped_had_its_contrast_been_declared"] = share(lost, len(outcomes))
    return figures


def by_cell(outcomes: Sequence[Outcome], called: dict[str, list[bool]]) -> dict[str, Any]:
    """Figures by name of cell, in order."""
    rows: dict[str, list[int]] = {}
    for row, outcome in enumerate(outcomes):
        rows.setdefault(outcome.job.cell.name, []).append(row)
    return {
        name: of_cell(
            [outcomes[row] for row in chosen],
            {method: [answers[row] for row in chosen] for method, answers in called.items()},
        )
        for name, chosen in rows.items()
    }


def lost_defects(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Scratches that were dropped, by what had been promised about them."""
    counts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for outcome in outcomes:
        scratch, limit = outcome.job.cell.scratch, outcome.evidence.faintest
        if scratch is None:
            continue
        promised = "at least" if scratch.contrast >= SMALLEST_DEFECT else "fainter than"
        shows = scratch.contrast >= (math.inf if limit is None else limit)
        kinds = (
            f"{promised} the smallest defect of {SMALLEST_DEFECT:g}",
            f"{'above' if shows else 'below'} the pair's own limit of detection",
        )
        counts.update(kinds)
        dropped.update(kinds if outcome.fate == "dropped" else ())
    return {kind: share(dropped[kind], counts[kind]) for kind in sorted(counts)}


def estimate(jobs: Sequence[Job], folder: Path, real: int) -> float:
    """Seconds that it will take, from a few pairs; said before it begins. `real`: pairs that are not made."""
    few = jobs[:: max(1, len(jobs) // 6)][:6]
    started = time.perf_counter()
    for job in few:
        carried_out(job, folder)
    seconds = (time.perf_counter() - started) / len(few) * (len(jobs) + real) / WORKERS
    return seconds + (len(jobs) + real) * SECONDS_PER_FILE


def real_names(pairs: Sequence[PairOfFiles], folder: Path) -> list[tuple[str, str]]:
    """Names of the tiles as they are in the folder that everybody looks at."""
    for path in {path for pair in pairs for path in pair}:
        target = folder / path.name
        if not target.exists():
            target.symlink_to(path)
    return [(first.name, second.name) for first, second in pairs]


def save_originals(chosen: Sequence[Path], folder: Path) -> None:
    """The first photographs, without loss."""
    for number, path in enumerate(chosen):
        cv2.imwrite(str(folder / f"tile-{number:04d}.png"), original(path)[..., ::-1])


def measure(chosen: Sequence[Path], pairs: int, curve: int, folder: Path) -> dict[str, Any]:
    """Everything, on one set of files."""
    images = folder / "images"
    images.mkdir()
    save_originals(chosen, images)
    main = main_cells()
    jobs = jobs_of(main, chosen, pairs, 0) + jobs_of(curve_cells(), chosen, curve, len(main))
    real = pairs + round(RE_EXPOSURES_PER_TILE * len(chosen))
    expected = estimate(jobs, images, real)
    print(f"about {expected / 60:.0f} minutes on {WORKERS} cores", file=sys.stderr, flush=True)
    started = time.perf_counter()
    outcomes = run_jobs(jobs, images)
    lights, exposed = re_exposures(chosen)
    others = strangers(chosen, pairs)
    unlike = of_strangers(others)
    made = [(job.first, job.second) for job in jobs]
    names = [*made, *real_names(exposed, images), *real_names(others, images)]
    python = rivals.environment(folder)
    called = rivals.called_duplicates(python, images, names)
    lights["others_call_duplicates"] = shares(called, len(made), len(made) + len(exposed))
    unlike["others_call_duplicates"] = shares(called, len(made) + len(exposed), len(names))
    figures = by_cell(outcomes, called)
    return {
        "tiles": len(chosen),
        "cells": {cell.name: figures.pop(cell.name) for cell in main},
        "detection_curve": figures,
        "scratches_dropped": lost_defects(outcomes),
        "real_re_exposures": lights,
        "strangers": unlike,
        "versions": rivals.versions(python),
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }


def shares(called: dict[str, list[bool]], start: int, stop: int) -> dict[str, Any]:
    """What the others call duplicates among some of the pairs."""
    return {method: share(sum(a[start:stop]), stop - start) for method, a in called.items()}


def table(cells: dict[str, Any]) -> str:
    """Shares by cell: what is dropped, and what the others call duplicates, in Markdown."""
    methods = list(next(iter(cells.values()))["others_call_duplicates"])
    head = ["pairs", "of", "dropped", "95 %", "grouped", "apart", "limit", *methods]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, row in cells.items():
        drop = row["dropped"]
        fields = [name, str(drop["of"]), f"{drop['share']:.1%}"]
        fields += [f"{drop['low']:.1%} to {drop['high']:.1%}"]
        fields += [f"{row[fate]['share']:.1%}" for fate in ("grouped", "apart")]
        fields += [str(row["median_limit_of_detection"])]
        fields += [f"{row['others_call_duplicates'][method]['share']:.1%}" for method in methods]
        lines.append(f"| {' | '.join(fields)} |")
    return "\n".join(lines)


def promises(figures: dict[str, Any]) -> dict[str, bool]:
    """Which of the promises hold."""
    kept = {}
    for name, (sense, bar) in PROMISES.items():
        value = figures["cells"][name]["dropped"]["share"]
        kept[f"{name}: dropped {sense} {bar:.0%}"] = value >= bar if sense == ">=" else value <= bar
    kept["strangers called the same: none"] = figures["strangers"]["same"]["hits"] == 0
    return kept


def main() -> None:
    """All tiles, or fewer for a try."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1010, help="pairs per main cell, strangers")
    parser.add_argument("--curve", type=int, default=250, help="pairs per point of the curve")
    parser.add_argument("--tiles", type=int, default=0, help="tiles used; 0 is all")
    parser.add_argument("--name", default="dedupe", help="of the file in results")
    chosen = parser.parse_args()
    paths = tiles()
    paths = paths[:: max(1, len(paths) // chosen.tiles)] if chosen.tiles else paths
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(paths, chosen.pairs, chosen.curve, Path(folder))
    figures["promises"] = promises(figures)
    write_result(chosen.name, figures)
    print(table({**figures["cells"], **figures["detection_curve"]}))
    if not all(figures["promises"].values()):
        raise SystemExit(f"a promise is broken: {figures['promises']}")


if __name__ == "__main__":
    main()
