"""Pairs of photographs made for the deduplication benchmark, and what Plumbline says of each."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from recaptures import Pixels, Scratch, original, recapture

from data_checks.hamming import RADIUS
from data_checks.residual import PEAK
from data_checks.same_view import LARGEST_STRIP, Evidence, judge
from deploy.edge.decode import read_image
from inspection.data.fingerprints import signs, stated_fingerprints
from inspection.evaluation.intervals import clopper_pearson
from inspection.progress import track

WORKERS = 2


@dataclass(frozen=True)
class Cell:
    """Pairs that are made alike: noise, and the scratch or none."""

    name: str
    sigma: float
    scratch: Scratch | None


@dataclass(frozen=True)
class Job:
    """One pair to make and compare: a tile, and the name of the second file."""

    cell: Cell
    tile: Path
    seed: list[int]
    first: str
    second: str


@dataclass(frozen=True)
class Outcome:
    """What became of one pair."""

    job: Job
    verdict: str
    evidence: Evidence
    bits: int

    @property
    def fate(self) -> str:
        """Dropped, grouped or apart."""
        if self.bits > RADIUS:
            return "apart"
        return {"same": "dropped", "alike": "grouped"}.get(self.verdict, "apart")

    def dropped_if_declared(self, contrast: float) -> bool:
        """Whether it would be dropped had this contrast been declared as the smallest defect."""
        found = self.evidence
        return self.bits <= RADIUS and proven(found.peak, found.faintest, found.unseen, contrast)


def proven(
    peak: float | None, faintest: float | None, unseen: float | None, smallest: float
) -> bool:
    """The rule of `same_view`, for any smallest defect."""
    if peak is None or faintest is None or unseen is None:
        return False
    return peak <= PEAK and faintest <= smallest and unseen <= LARGEST_STRIP


def carried_out(job: Job, folder: Path) -> Outcome:
    """Make the second file, read it back, compare."""
    cv2.setNumThreads(1)
    first = original(job.tile)
    target = folder / job.second
    target.write_bytes(
        recapture(job.tile, job.seed, sigma=job.cell.sigma, scratch=job.cell.scratch)
    )
    second = read_image(target).pixels
    verdict, evidence = judge(first, second)
    return Outcome(job, verdict, evidence, bits_between(first, second))


def bits_between(first: Pixels, second: Pixels) -> int:
    """How far their hashes lie apart."""
    hashes = stated_fingerprints(["", ""], [signs(first), signs(second)]).hashes
    return int(np.bitwise_count(hashes[0] ^ hashes[1]))


def run_jobs(jobs: Sequence[Job], folder: Path) -> list[Outcome]:
    """All pairs, on two processes."""
    with ProcessPoolExecutor(WORKERS) as pool:
        done = pool.map(carried_out, jobs, [folder] * len(jobs), chunksize=8)
        return list(track(done, "comparing pairs", len(jobs)))


def share(hits: int, total: int) -> dict[str, Any]:
    """A proportion with its exact 95 % interval."""
    low, high = clopper_pearson(hits, total)
    value = round(hits / total, 4) if total else None
    return {"hits": hits, "of": total, "share": value, "low": round(low, 4), "high": round(high, 4)}
