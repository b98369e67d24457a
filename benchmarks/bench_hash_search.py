"""How fast are near-copies sought? Hashing real files, and searching up to a million hashes without missing a pair.

Files: read, decoded, digested and hashed, in turns with imagededup's PHash on two processes, over the same tiles.
Search: radius 10, half of the hashes uniform, half in clusters of 20 about textures like those of real tiles; the
clusters keep their size, so that more hashes are more clusters. Merging equal hashes, searching and expanding to pairs
of images are timed together; what was found for a sample of hashes is held against brute force over all of them.
Besides: what a small budget throws away, when all is clusters and when a crowd of look-alikes hides the true copies;
and the time of one comparison of pixels. Needs PLUMBLINE_TEST_ASSETS, and a package index for imagededup.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rivals
from machine import write_result
from recaptures import Pixels, original, recapture, tiles

from data_checks.candidates import BUDGET, Candidates, find_candidates
from data_checks.hamming import RADIUS, distinct, pairs_within
from data_checks.same_view import judge
from deploy.edge.decode import decode
from inspection.data.fingerprints import Fingerprints, fingerprints_of

SIZES = (100_000, 178_000, 316_000, 562_000, 1_000_000)
MEMBERS = 20
FAR_FLIP, NEAR_FLIP = 0.25, 0.03
"""Chance of each bit to flip from a real tile to the centre of a cluster, and from there to a member."""
SAMPLE = 2_000
CROWD, CROWD_FLIP, PART_FLIP = 400, 0.05, 0.2
"""Parts of one product: how many; the chance of a bit of hash, of longer descriptor, to flip from part to part."""
BUDGETS = (2, 6, 10, BUDGET)

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Made:
    """Fingerprints, and for each image the cluster it truly belongs to, or -1."""

    prints: Fingerprints
    cluster: npt.NDArray[np.int64]


def flipped(words: Words, chance: float, rng: np.random.Generator) -> Words:
    """Each bit flipped with a chance."""
    found = words.copy()
    for bit in range(64):
        found ^= (rng.random(words.shape) < chance).astype(np.uint64) << np.uint64(bit)
    return found


def uniform(rng: np.random.Generator, *shape: int) -> Words:
    """Random bits."""
    return rng.integers(0, 2**64, shape, dtype=np.uint64)


def textures(real: Fingerprints, count: int, rng: np.random.Generator) -> Made:
    """`count` images: half uniform, half in clusters about hashes like those of real tiles; in random order."""
    clusters = count // 2 // MEMBERS
    whose = np.repeat(np.arange(clusters), MEMBERS)
    words = np.column_stack([real.hashes, real.descriptors])
    centres = flipped(words[rng.integers(0, len(words), clusters)], FAR_FLIP, rng)
    members = flipped(centres[whose], NEAR_FLIP, rng)
    alone = count - len(members)
    return shuffled(
        np.concatenate([members, uniform(rng, alone, 5)]), np.r_[whose, np.full(alone, -1)], rng
    )


def crowd(count: int, rng: np.random.Generator) -> Made:
    """Parts that look alike, by both codes; each was photographed twice, which only the longer one can tell."""
    part = np.repeat(np.arange(count // 2), 2)
    product = np.arange(count // 2) * 2 // CROWD
    hashes = flipped(uniform(rng, product[-1] + 1)[product][part], CROWD_FLIP, rng)
    longer = flipped(uniform(rng, product[-1] + 1, 4)[product], PART_FLIP, rng)
    return shuffled(np.column_stack([hashes, flipped(longer[part], NEAR_FLIP, rng)]), part, rng)


def shuffled(words: Words, cluster: npt.NDArray[np.int64], rng: np.random.Generator) -> Made:
    """In random order; the first column is the hash, the others are the longer descriptor."""
    order = rng.permutation(len(words))
    words = words[order]
    names = tuple(map(str, range(len(words))))
    hashes, longer = words[:, 0].copy(), words[:, 1:].copy()
    return Made(Fingerprints(names, hashes, longer), cluster[order])


def searched(count: int, repeats: int) -> dict[str, Any]:
    """One size, in this process: seconds, peak memory, and recall against brute force."""
    rng = np.random.default_rng(count)
    prints = textures(fingerprints_of(tiles()), count, rng).prints
    before = peak_gb()
    total, found = timed(lambda: find_candidates(prints), repeats)
    peak = peak_gb()
    merge, unique = timed(lambda: distinct(prints.hashes)[0], repeats)
    search, _ = timed(lambda: pairs_within(unique), 1)
    return {
        "images": count,
        "distinct_hashes": len(unique),
        "pairs": len(found.pairs),
        "pruned": found.report.pruned,
        "seconds": total,
        "seconds_merging": merge,
        "seconds_searching": search,
        "peak_memory_gb": peak,
        "memory_before_gb": before,
        **recall(prints.hashes, found, rng.choice(count, min(SAMPLE, count), replace=False)),
    }


def timed(work: Any, repeats: int) -> tuple[float, Any]:
    """Median seconds, and the last answer."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        answer = work()
        seconds.append(time.perf_counter() - started)
    return round(median(seconds), 3), answer


def peak_gb() -> float:
    """Largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30, 3)


def recall(hashes: Words, found: Candidates, sample: npt.NDArray[np.int64]) -> dict[str, Any]:
    """What was found for the sampled images, against every image counted bit by bit."""
    true = set()
    for row in sample.tolist():
        near = np.flatnonzero(np.bitwise_count(hashes ^ hashes[row]) <= RADIUS)
        true |= {(min(row, other), max(row, other)) for other in near.tolist() if other != row}
    chosen = np.zeros(len(hashes), bool)
    chosen[sample] = True
    said = set(map(tuple, found.pairs[chosen[found.pairs].any(axis=1)].tolist()))
    return {
        "sampled_images": len(sample),
        "sampled_pairs": len(true),
        "missed": len(true - said),
        "false": len(said - true),
        "recall": round(len(true & said) / max(1, len(true)), 6),
    }


def searches(sizes: Sequence[int], repeats: int) -> dict[str, Any]:
    """Every size in a process of its own, and how time grows."""
    rows = []
    for size in sizes:
        command = [sys.executable, __file__, "--search", str(size), "--repeats", str(repeats)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"{size} hashes: {rows[-1]['seconds']} s", file=sys.stderr, flush=True)
    seconds = np.log([row["seconds"] for row in rows])
    slope = np.polyfit(np.log(sizes), seconds, 1)[0] if len(rows) > 1 else float("nan")
    return {"radius": RADIUS, "sizes": rows, "slope_of_log_time": round(float(slope), 3)}


def hashing(python: Path, folder: Path, repeats: int) -> dict[str, Any]:
    """Images per second, in turns."""
    paths = tiles()
    images = folder / "images"
    images.mkdir()
    for path in paths:
        (images / path.name).symlink_to(path)
    ours, theirs = [], []
    for _ in range(repeats):
        seconds, _ = timed(lambda: fingerprints_of(paths), 1)
        ours.append(len(paths) / seconds)
        count, seconds = rivals.encoding(python, images)
        assert count == len(paths), count
        theirs.append(count / seconds)
    return {
        "files": len(paths),
        "repetitions": repeats,
        "images_per_second": round(median(ours)),
        "imagededup_images_per_second": round(median(theirs)),
        "ratio": round(median(ours) / median(theirs), 2),
        "each": [round(rate) for rate in ours],
        "imagededup_each": [round(rate) for rate in theirs],
    }


def pruning(count: int) -> dict[str, Any]:
    """By kind of set and budget: share of pairs set aside, and of pairs of true copies that were lost by it."""
    rng = np.random.default_rng(0)
    sets = {
        "clusters of 20": textures(fingerprints_of(tiles()), count, rng),
        f"crowds of {CROWD}": crowd(count // 10, rng),
    }
    return {
        name: {f"budget {budget}": pruned(made, budget) for budget in BUDGETS}
        for name, made in sets.items()
    }


def pruned(made: Made, budget: int) -> dict[str, Any]:
    """What one budget does to one set."""
    full = find_candidates(made.prints, budget=len(made.cluster))
    kept = find_candidates(made.prints, budget=budget)
    true, left = (copies(made.cluster, found) for found in (full, kept))
    return {
        "pairs_found": kept.report.found,
        "share_pruned": round(kept.report.pruned / max(1, kept.report.found), 4),
        "pairs_of_true_copies": true,
        "share_of_these_lost": round(1 - left / max(1, true), 4),
    }


def copies(cluster: npt.NDArray[np.int64], found: Candidates) -> int:
    """Pairs of one cluster."""
    first, second = cluster[found.pairs].T
    return int(((first == second) & (first >= 0)).sum())


def verifying(count: int) -> dict[str, Any]:
    """Milliseconds for one pair in one thread: a tile and its re-capture, and strangers."""
    paths = tiles()[:: max(1, len(tiles()) // count)][:count]
    first = [original(path) for path in paths]
    again = [
        decode(recapture(path, [n], sigma=2.0, scratch=None)).pixels for n, path in enumerate(paths)
    ]
    cv2.setNumThreads(1)
    copies_ms, strangers_ms = milliseconds(first, again), milliseconds(first, again[1:] + again[:1])
    return {
        "pairs": len(paths),
        "median_pixels": int(median(pixels.size // 3 for pixels in first)),
        "copies_median_ms": round(median(copies_ms), 1),
        "copies_slowest_ms": round(max(copies_ms), 1),
        "strangers_median_ms": round(median(strangers_ms), 1),
    }


def milliseconds(first: Sequence[Pixels], second: Sequence[Pixels]) -> list[float]:
    """Of each pair."""
    return [
        1000 * timed(lambda a=a, b=b: judge(a, b), 1)[0] for a, b in zip(first, second, strict=True)
    ]


def promises(figures: dict[str, Any]) -> dict[str, bool]:
    """Which of the promises hold."""
    sizes = figures["search"]["sizes"]
    return {
        "at least 1,800 images/s hashed": figures["hashing"]["images_per_second"] >= 1_800,
        "at least twice imagededup": figures["hashing"]["ratio"] >= 2,
        "every pair of the samples is found": all(row["missed"] == 0 for row in sizes),
        "time grows by a power of at most 1.5": figures["search"]["slope_of_log_time"] <= 1.5,
        "largest search within 120 s": sizes[-1]["seconds"] <= 120,
        "largest search within 2 GB": sizes[-1]["peak_memory_gb"] <= 2,
    }


def main() -> None:
    """Everything; or one search, in a process that is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--search", type=int, default=0, help="only one search of so many hashes")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--repeats", type=int, default=3, help="of every search")
    parser.add_argument("--turns", type=int, default=7, help="of hashing the files")
    parser.add_argument("--pruned", type=int, default=100_000, help="hashes for the small budgets")
    parser.add_argument("--name", default="hash_search", help="of the file in results")
    chosen = parser.parse_args()
    if chosen.search:
        print(json.dumps(searched(chosen.search, chosen.repeats)))
        return
    figures = {"search": searches(chosen.sizes, chosen.repeats)}
    with tempfile.TemporaryDirectory() as folder:
        python = rivals.environment(Path(folder))
        figures["hashing"] = hashing(python, Path(folder), chosen.turns)
        figures["versions"] = rivals.versions(python)
    figures["pruning"] = pruning(chosen.pruned)
    figures["verifying"] = verifying(100)
    figures["promises"] = promises(figures)
    write_result(chosen.name, figures)
    if not all(figures["promises"].values()):
        raise SystemExit(f"a promise is broken: {figures['promises']}")


if __name__ == "__main__":
    main()
