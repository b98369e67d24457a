"""Why does the monitor not find a new class on Magnetic-tile, and what would a score have to reach?

Splits, batches and level are made as in `bench_drift_budget.py`: half of the groups (views of one tile) is the
reference, 15 % of a batch of 200 are of a class that neither model nor reference knows, another one for each split; a
class of fewer than 30 images gives what it has.

*oracle*: a score that flags T of the strangers, each by itself, and F of the known images, by whole tiles or image by
image, takes the place of the monitor's three novelty scores. `graded`: the flagged ones lie above all others, and
chance orders both. `flag`: 1 or 0, so that all columns of the signal tell the same. Alarms are those of any signal;
`clean` are ten batches of single images for each split. `without caution`: neither Student's law for few tiles nor the
batch's own scatter widens what counts as chance.

*scores*: how well real scores tell strangers from all known images, known defects among them: local ones
(`drift_scores.py`) beside today's (`data_checks.strangeness`) of all known images. Thresholds are read off the very
images on which false flags are counted, and `best` chooses by the answer: both flatter. *real scores in the monitor*:
today's, and three local ones in place of them, which have learned from both halves: that flatters too.

*student*: one that is right on every known image and calls every stranger some known defect at random.

Usage: python benchmarks/bench_drift_limit.py [--splits 50] [--cache FOLDER]
Needs PLUMBLINE_TEST_ASSETS: a folder with `data/magnetic_tile` and `weights/`. Seeing the images takes some minutes on
one core, once per cache (that of `bench_drift_budget.py` will do); the rest about three. Fewer splits are only printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from bench_drift_budget import BATCH, FAULTY, LEVEL, SHARE, calibrated, halves
from drift_material import AS_IT_IS, DATA, Labels, Material, material
from drift_scores import Mask, Scores, local_scores, maps, score_figures, share, todays
from machine import write_result

from data_checks.drift import SEED
from data_checks.drift_calibration import Calibration
from data_checks.drift_measures import SHARES, Measures, Ruler
from data_checks.two_samples import cautious
from deploy.edge.statistics import STATISTICS

NAME = "magnetic_tile"
CLEAN = 10
FLAGGED = (1.0, 0.8, 0.6, 0.4)
TILES, IMAGES = "whole tiles", "single images"
FALSELY = (("none", 0.0), (TILES, 0.01), (TILES, 0.05), (IMAGES, 0.01), (IMAGES, 0.05))
"""How false flags fall on the known images, and on what share of them."""
IN_MONITOR = ("largest", "top 3 %", "90 % quantile")
NEW, QUIET = "new class", "clean"
BOLD = "without caution"
Heard = dict[str, list[float]]


class Bold(Calibration):
    """Takes the scatter of the reference at its word, however few tiles told it."""

    def _wider(self, values: Scores, variance: Scores) -> Scores:  # noqa: ARG002
        return np.ones_like(variance)


@dataclass(frozen=True)
class Case:
    """One split with one class unknown: rows of the reference, and of its batches by kind."""

    seen: Material
    held: str
    blind: Material
    number: int

    @cached_property
    def unknown(self) -> Mask:
        """Which images are strangers."""
        return unknown(self.seen, self.held)

    @cached_property
    def rows(self) -> tuple[Labels, dict[str, list[Labels]]]:
        """Of the reference; of the batches by kind."""
        rng = np.random.default_rng([SEED, self.number])
        strangers = np.flatnonzero(self.unknown)
        reference, clean = halves(self.seen.groups, np.flatnonzero(~self.unknown), rng)
        count = min(round(SHARE * BATCH), len(strangers))

        def new() -> Labels:
            known = rng.choice(clean, BATCH - count, replace=False)
            return np.concatenate([rng.choice(strangers, count, replace=False), known])

        quiet = [rng.choice(clean, BATCH, replace=False) for _ in range(CLEAN)]
        return reference, {NEW: [new() for _ in range(FAULTY)], QUIET: quiet}

    @cached_property
    def ruler(self) -> Ruler:
        """As the monitor learns it from the reference."""
        sample = self.blind.sample(AS_IT_IS, self.rows[0], grouped=True)
        return Ruler.of(sample, len(STATISTICS), np.random.default_rng(SEED))

    @cached_property
    def measures(self) -> dict[str, list[Measures]]:
        """Of the batches by kind."""
        return {
            kind: [self.ruler.measures(self.blind.sample(AS_IT_IS, rows)) for rows in batches]
            for kind, batches in self.rows[1].items()
        }

    def calibration(self, strange: Scores | None) -> Calibration:
        """With other novelty scores, (N, S) of all images; None for the monitor's own."""
        reference, ruler = self.rows[0], self.ruler
        if strange is not None:
            own = replace(ruler.reference, strange=strange[reference])
            ruler = replace(ruler, reference=own)
        rng = np.random.default_rng(SEED)
        return Calibration.with_ruler(ruler, self.seen.groups[reference], BATCH, rng)

    def listen(
        self, strange: Scores | None, kind: str, to: Calibration, into: dict[str, Heard], key: str
    ) -> None:
        """Notes for each way 1 for a batch in which any signal alarms, else 0."""
        batches = self.measures[kind]
        if strange is not None:
            pairs = zip(batches, self.rows[1][kind], strict=True)
            batches = [replace(one, strange=strange[rows]) for one, rows in pairs]
        # Student's law is monotone, so a limit that went through it undoes it.
        ways = {"as it is": (to, LEVEL), BOLD: (Bold(**vars(to)), cautious(LEVEL, to.sizes))}
        for way, (calibration, level) in ways.items():
            alarms = [float(min(calibration.judge(one).values()) < level) for one in batches]
            into.setdefault(way, {}).setdefault(key, []).extend(alarms)


def unknown(seen: Material, held: str) -> Mask:
    return np.asarray(seen.labels == seen.classes.index(held))


def falsely_flagged(groups: Labels, known: Mask, rate: float, rng: np.random.Generator) -> Mask:
    """About this share of the known images, by whole groups."""
    names, sizes = np.unique(groups[known], return_counts=True)
    order = rng.permutation(len(names))
    reached = np.concatenate([[0], sizes[order].cumsum()])
    count = int(np.abs(reached - rate * known.sum()).argmin())
    return np.isin(groups, names[order[:count]]) & known


def oracle(case: Case, heard: dict[str, dict[str, Heard]]) -> None:
    """Every cell of the table, for one split."""
    rng = np.random.default_rng([SEED, case.number, 1])
    every = np.arange(len(case.seen.labels))
    chance = rng.random((2, len(every)))
    for by, rate in FALSELY:
        units = every if by == IMAGES else case.seen.groups
        false = falsely_flagged(units, ~case.unknown, rate, rng)
        for column, noise in (("graded", chance[0]), ("flag", np.zeros(len(every)))):
            cell = heard.setdefault(f"{column}, F {rate}, {by}", {})
            calibration = case.calibration((false + noise)[:, None])
            for found in FLAGGED:
                flags = np.where(case.unknown, chance[1] < found, false)
                case.listen((flags + noise)[:, None], NEW, calibration, cell, f"T {found}")
            case.listen((false + noise)[:, None], QUIET, calibration, cell, QUIET)


def student(case: Case, heard: dict[str, Heard]) -> None:
    """A perfect one in place of the probe."""
    rng = np.random.default_rng([SEED, case.number, 2])
    classes = case.blind.classes
    defects = [code for code, one in enumerate(classes) if one != DATA[NAME].ok_class]
    names = np.array(case.seen.classes)[case.seen.labels]
    said = np.array([classes.index(one) if one in classes else -1 for one in names])
    said[case.unknown] = rng.choice(defects, int(case.unknown.sum()))
    perfect = replace(
        case.blind, probabilities={AS_IT_IS: np.eye(len(classes), dtype=np.float32)[said]}
    )
    calibration = calibrated(perfect, case.rows[0])
    for kind, batches in case.rows[1].items():
        into = heard.setdefault(kind, {SHARES: [], "any": []})
        for rows in batches:
            p = calibration.judge(calibration.ruler.measures(perfect.sample(AS_IT_IS, rows)))
            into[SHARES].append(float(p[SHARES] < LEVEL))
            into["any"].append(float(min(p.values()) < LEVEL))


def in_monitor(case: Case, local: dict[str, Scores], heard: dict[str, dict[str, Heard]]) -> None:
    """The monitor's own scores, and local ones in place of them."""
    ways: dict[str, Scores | None] = {
        way: np.stack([local[f"{way}, {what}"] for what in IN_MONITOR], axis=1)
        for way in ("Gaussian", "memory")
    }
    for way, strange in {"today": None, **ways}.items():
        calibration = case.calibration(strange)
        for kind in (NEW, QUIET):
            case.listen(strange, kind, calibration, heard.setdefault(way, {}), kind)


def measure(cache: Path, splits: int) -> dict[str, Any]:
    seen, held_out = material(NAME, cache)
    places, held = maps(NAME, cache), list(held_out.items())
    started = time.process_time()
    local = {one: local_scores(places, seen.groups, ~unknown(seen, one)) for one, _ in held}
    scores = {one: {**local[one], **todays(blind, ~unknown(seen, one))} for one, blind in held}
    flags: dict[str, dict[str, Heard]] = {}
    taught: dict[str, Heard] = {}
    placed: dict[str, dict[str, Heard]] = {}
    tiles = []
    for number in range(splits):
        case = Case(seen, *held[number % len(held)], number)
        oracle(case, flags)
        student(case, taught)
        in_monitor(case, local[case.held], placed)
        tiles.append(len(np.unique(seen.groups[case.rows[0]])))
        print(number, round(time.process_time() - started), file=sys.stderr, flush=True)
    return {
        "images": len(seen.labels),
        "groups": len(np.unique(seen.groups)),
        "groups in the reference, mean": round(float(np.mean(tiles)), 1),
        "batches": {NEW: splits * FAULTY, QUIET: splits * CLEAN},
        "oracle": {cell: shares(rows) for cell, rows in flags.items()},
        "scores": score_figures(scores, seen),
        "real scores in the monitor": {way: shares(rows) for way, rows in placed.items()},
        "student": shares(taught),
        "student, splits with a clean alarm": int(
            np.reshape(taught[QUIET]["any"], (splits, CLEAN)).any(axis=1).sum()
        ),
        "processor_seconds": round(time.process_time() - started, 1),
    }


def shares(heard: dict[str, Heard]) -> dict[str, dict[str, float]]:
    return {
        one: {kind: share(alarms) for kind, alarms in row.items()} for one, row in heard.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--splits", type=int, default=50)
    parser.add_argument("--cache", type=Path, help="folder that keeps what was seen of the images")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(asked.cache or Path(folder), asked.splits)
    if asked.splits < 50:
        print(figures)
    else:
        write_result("drift_limit", {"level": LEVEL, "batch": BATCH, NAME: figures})


if __name__ == "__main__":
    main()
