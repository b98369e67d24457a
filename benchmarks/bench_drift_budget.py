"""Does the monitor keep its alarm budget, find four faults and a new class, and name the cause? Evidently beside it.

For each of N random splits of a set into halves by whole groups, one half is the reference: everything the monitor
knows is calibrated on it alone, for a level of 0.2 % per batch over all signals together. From the other half come 20
clean batches of 200 single images, drawn without replacement (batches of one split overlap, so they share its luck:
the interval resamples splits); 10 more of whole groups; three of each fault and three in which 15 % of the images show
a class that model and reference do not know (another class for each split; a set's good class is never the new one; a
class of fewer than 30 images gives what it has). 2-of-3: of three consecutive batches two raise an alarm.

The monitor's constants were chosen while looking at these two sets and other splits; nothing is learned from faults.
Evidently: the test and the threshold that it chooses by itself for each of the same columns, which is what its
DataDriftPreset does; half of the columns make a drifted data set.

Usage: python benchmarks/bench_drift_budget.py [--splits 50] [--cache FOLDER] [neu_det magnetic_tile]
Needs PLUMBLINE_TEST_ASSETS: a folder with `data/neu_det`, `data/magnetic_tile` and `weights/`. Seeing the images takes
about seven minutes on one core, once per cache; the rest about two. Fewer splits or one set alone are only printed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("DO_NOT_TRACK", "true")

import numpy as np
import numpy.typing as npt
import pandas as pd
from drift_material import AS_IT_IS, DATA, FAULTS, Material, material
from machine import write_result

from data_checks.drift import SEED
from data_checks.drift_calibration import Calibration
from data_checks.drift_cause import (
    CAMERA,
    COMPRESSION,
    FOCUS,
    LIGHT,
    UNKNOWN_LOOK,
    likely_cause,
)
from data_checks.drift_measures import Measures
from deploy.edge.statistics import STATISTICS
from inspection.config import LoopConfig, MonitorConfig
from inspection.evaluation.confirming import confirms

BATCH = 200
CLEAN = 20
CLEAN_GROUPS = 10
FAULTY = 3
SHARE = 0.15
LEVEL = MonitorConfig().level()
TWO_OF_THREE = LoopConfig(confirm=2, window=3)
NEW = "a new class, 15 %"
TRUTH = {
    "exposure -20 %": LIGHT,
    "Gaussian blur, sigma 1.5": FOCUS,
    "JPEG, quality 40": COMPRESSION,
    "camera moved, mirrored edge": CAMERA,
    "camera moved, dark edge": CAMERA,
    NEW: UNKNOWN_LOOK,
}
LABEL = "predicted class"
BESIDE = 10
"""Splits whose batches Evidently judges too."""
Rows = npt.NDArray[np.int64]


@dataclass
class Found:
    """What was counted for one set; clean shares by split, the rest by fault."""

    clean: list[list[bool]] = field(default_factory=list)
    clean_groups: list[list[bool]] = field(default_factory=list)
    by_signal: Counter[str] = field(default_factory=Counter)
    alarms: dict[str, list[list[bool]]] = field(default_factory=dict)
    causes: dict[str, Counter[str]] = field(default_factory=dict)
    new_class: dict[str, list[bool]] = field(default_factory=dict)
    evidently: dict[str, list[tuple[bool, bool]]] = field(default_factory=dict)


def halves(groups: Rows, usable: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Rows of a reference and of a clean half, by whole groups."""
    names = rng.permutation(np.unique(groups))
    first = np.isin(groups[usable], names[: len(names) // 2])
    return usable[first], usable[~first]


def whole_groups(groups: Rows, rows: Rows, rng: np.random.Generator) -> Rows:
    """About `BATCH` of the rows, every group complete but the last."""
    order = rng.permutation(np.unique(groups[rows]))
    rank = {int(group): place for place, group in enumerate(order)}
    return rows[np.argsort([rank[int(group)] for group in groups[rows]], kind="stable")][:BATCH]


def alarms_of(calibration: Calibration, measures: Measures) -> list[str]:
    return [name for name, p in calibration.judge(measures).items() if p < LEVEL]


def calibrated(seen: Material, reference: Rows) -> Calibration:
    sample = seen.sample(AS_IT_IS, reference, grouped=True)
    return Calibration.of(sample, len(STATISTICS), BATCH, np.random.default_rng(SEED))


def one_split(seen: Material, held: tuple[str, Material], found: Found, number: int) -> None:
    rng = np.random.default_rng([SEED, number])
    every = np.arange(len(seen.labels))
    reference, clean = halves(seen.groups, every, rng)
    calibration = calibrated(seen, reference)
    of_images = [rng.choice(clean, BATCH, replace=False) for _ in range(CLEAN)]
    of_groups = [whole_groups(seen.groups, clean, rng) for _ in range(CLEAN_GROUPS)]
    for batches, into in ((of_images, found.clean), (of_groups, found.clean_groups)):
        moved = [
            alarms_of(calibration, calibration.ruler.measures(seen.sample(AS_IT_IS, rows)))
            for rows in batches
        ]
        found.by_signal.update(name for names in moved for name in names)
        into.append([bool(names) for names in moved])
    for fault in list(FAULTS)[1:]:
        batches = [rng.choice(clean, BATCH, replace=False) for _ in range(FAULTY)]
        measures = [calibration.ruler.measures(seen.sample(fault, rows)) for rows in batches]
        note(found, fault, calibration, measures)
        compare(found, fault, calibration, measures[0], seen)
    first = calibration.ruler.measures(seen.sample(AS_IT_IS, of_images[0]))
    compare(found, AS_IT_IS, calibration, first, seen)
    new_class(seen, held, found, rng)


def new_class(
    seen: Material,
    held: tuple[str, Material],
    found: Found,
    rng: np.random.Generator,
) -> None:
    name, blind = held
    unknown = ~np.isin(seen.labels, [seen.classes.index(one) for one in blind.classes])
    reference, clean = halves(seen.groups, np.flatnonzero(~unknown), rng)
    calibration = calibrated(blind, reference)
    strangers = min(round(SHARE * BATCH), int(unknown.sum()))
    measures = []
    for _ in range(FAULTY):
        rows = np.concatenate(
            [
                rng.choice(np.flatnonzero(unknown), strangers, replace=False),
                rng.choice(clean, BATCH - strangers, replace=False),
            ]
        )
        measures.append(calibration.ruler.measures(blind.sample(AS_IT_IS, rows)))
    note(found, NEW, calibration, measures)
    found.new_class.setdefault(name, []).extend(found.alarms[NEW][-1])
    compare(found, NEW, calibration, measures[0], blind)


def note(found: Found, fault: str, calibration: Calibration, measures: list[Measures]) -> None:
    """Alarms and causes of the batches of one fault and one split."""
    moved = [alarms_of(calibration, batch) for batch in measures]
    found.alarms.setdefault(fault, []).append([bool(names) for names in moved])
    reference = calibration.ruler.reference
    said = found.causes.setdefault(fault, Counter())
    for batch, names in zip(measures, moved, strict=True):
        said[likely_cause(batch, reference, names).name or "no alarm"] += 1


def compare(
    found: Found, fault: str, calibration: Calibration, batch: Measures, seen: Material
) -> None:
    """Evidently's defaults: did any column drift, did it call the whole set drifted?"""
    if len(found.evidently.setdefault(fault, [])) == BESIDE:
        return
    sides = [table(measures, seen.classes) for measures in (batch, calibration.ruler.reference)]
    found.evidently[fault].append(evidently(*sides))


def table(measures: Measures, classes: tuple[str, ...]) -> pd.DataFrame:
    columns = {**measures.numbers, "novelty": measures.strange[:, 0]}
    labels = [classes[label] for label in measures.labels]
    return pd.DataFrame({**columns, LABEL: labels})


def evidently(current: pd.DataFrame, reference: pd.DataFrame) -> tuple[bool, bool]:
    """Each column by the test and threshold that Evidently chooses for it; half of the columns make a drifted set."""
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    drifted = []
    for name in current:
        kind = ColumnType.Categorical if name == LABEL else ColumnType.Numerical
        test = get_stattest(reference[name], current[name], kind, None)
        drifted.append(test(reference[name], current[name], kind, None).drifted)
    return any(drifted), sum(drifted) >= len(drifted) / 2


def measure(name: str, cache: Path, splits: int) -> dict[str, Any]:
    seen, held_out = material(name, cache)
    held, found = list(held_out.items()), Found()
    started = time.process_time()
    for number in range(splits):
        one_split(seen, held[number % len(held)], found, number)
        alarms = {fault: np.mean(rows).round(3) for fault, rows in found.alarms.items()}
        print(name, number, np.mean(found.clean).round(4), alarms, file=sys.stderr, flush=True)
    return {
        "images": len(seen.labels),
        "groups": len(np.unique(seen.groups)),
        "splits": splits,
        "processor_seconds": round(time.process_time() - started, 1),
        "clean": {
            "single images": clean_figures(found.clean),
            "whole groups": clean_figures(found.clean_groups),
            "signals that alarmed": dict(found.by_signal),
        },
        "faults": {fault: fault_figures(rows) for fault, rows in found.alarms.items()},
        "new class, by class": {
            one: round(float(np.mean(rows)), 3) for one, rows in found.new_class.items()
        },
        "cause": cause_figures(found.causes),
        "evidently_defaults": {
            fault: {
                "batches": len(rows),
                "any column": round(float(np.mean([row[0] for row in rows])), 3),
                "data set": round(float(np.mean([row[1] for row in rows])), 3),
            }
            for fault, rows in found.evidently.items()
        },
    }


def clean_figures(rows: list[list[bool]]) -> dict[str, Any]:
    """Alarms of single batches and of 2-of-3, with the interval over splits (bootstrap, 95 %)."""
    shares = np.array(rows, np.float64).mean(axis=1)
    draws = np.random.default_rng(0).choice(shares, (10_000, len(shares))).mean(axis=1)
    windows = [two_of_three(row) for row in rows]
    worst = int(shares.argmax())
    return {
        "batches": int(np.size(rows)),
        "alarms": round(float(shares.mean()), 5),
        "interval": [round(float(edge), 5) for edge in np.quantile(draws, [0.025, 0.975])],
        "worst split": {"number": worst, "alarms": round(float(shares[worst]), 4)},
        "splits with an alarm": int((shares > 0).sum()),
        "2-of-3 alarms": round(float(np.mean(windows)), 5),
    }


def two_of_three(row: list[bool]) -> list[bool]:
    return [confirms(row[place - 2 : place + 1], TWO_OF_THREE) for place in range(2, len(row))]


def fault_figures(rows: list[list[bool]]) -> dict[str, Any]:
    return {
        "batches": int(np.size(rows)),
        "alarms": round(float(np.mean(rows)), 4),
        "2-of-3 alarms": round(float(np.mean([two_of_three(row) for row in rows])), 4),
    }


def cause_figures(causes: dict[str, Counter[str]]) -> dict[str, Any]:
    """The confusion table and its balanced accuracy over causes; a batch without an alarm counts as wrong."""
    hits: dict[str, list[float]] = {}
    for fault, said in causes.items():
        hits.setdefault(TRUTH[fault], []).append(said[TRUTH[fault]] / said.total())
    recalls = {cause: float(np.mean(shares)) for cause, shares in hits.items()}
    return {
        "table": {fault: dict(said) for fault, said in causes.items()},
        "recall": {cause: round(recall, 4) for cause, recall in recalls.items()},
        "balanced accuracy": round(float(np.mean(list(recalls.values()))), 4),
    }


def main() -> None:
    """Every set that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", default=list(DATA))
    parser.add_argument("--splits", type=int, default=50)
    parser.add_argument("--cache", type=Path, help="folder that keeps what was seen of the images")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = asked.cache or Path(folder)
        figures = {name: measure(name, cache, asked.splits) for name in asked.sets}
    if asked.splits < 50 or set(asked.sets) != set(DATA):
        print(figures)
    else:
        write_result("drift_budget", {"level": LEVEL, "batch": BATCH, "sets": figures})


if __name__ == "__main__":
    main()
