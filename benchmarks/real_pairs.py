"""Pairs that nobody made: one tile under really different exposures, and strangers from two classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from dedupe_pairs import WORKERS, bits_between, proven, share
from recaptures import ASSETS, original

from data_checks.duplicates import ALIKE, candidates, similarity_of
from data_checks.hamming import RADIUS
from data_checks.residual import PEAK, compare
from data_checks.same_view import LARGEST_STRIP, SMALLEST_DEFECT, Evidence, judge, judge_pairs
from data_checks.similarity import common_scale, spectra_of
from deploy.edge.decode import read_image
from inspection.data.fingerprints import fingerprints_of
from inspection.progress import track

PairOfFiles = tuple[Path, Path]


def re_exposures(chosen: Sequence[Path]) -> tuple[dict[str, Any], list[PairOfFiles]]:
    """Photographs of one tile under other light, told by their texture alone: what is said of them; and which."""
    paths = sorted(chosen)
    scale = common_scale([read_image(path).pixels.shape[:2] for path in paths])
    spectra = spectra_of(paths, scale)
    proposed = candidates(spectra)
    pairs = proposed[similarity_of(spectra, proposed) >= ALIKE].astype(np.int32)
    root = ASSETS / "data" / "magnetic_tile"
    names = [str(path.relative_to(root)) for path in paths]
    judged = judge_pairs(root, names, pairs, [0] * len(pairs))
    hashes = fingerprints_of(paths).hashes
    bits = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
    near = [pair for pair, apart in zip(judged, bits, strict=True) if apart <= RADIUS]
    gains = [pair.evidence.gain for pair in judged if pair.evidence.gain is not None]
    figures = {
        "pairs": len(pairs),
        "verdicts": dict(Counter(pair.verdict for pair in judged)),
        "grouped_because": dict(
            Counter(reason(p.evidence) for p in judged if p.verdict == "alike")
        ),
        "within_the_radius": share(len(near), len(pairs)),
        "verdicts_within_the_radius": dict(Counter(pair.verdict for pair in near)),
        "hash_distance_quartiles": quartiles(bits),
        "gain_quartiles": quartiles(gains),
        "peak_quartiles": quartiles([p.evidence.peak for p in judged if p.evidence.peak]),
    }
    return figures, [(paths[i], paths[j]) for i, j in pairs]


def reason(found: Evidence) -> str:
    """The first of the rules that a grouped pair does not meet."""
    if found.peak is None or found.unseen is None:
        return "cannot be aligned"
    if found.peak > PEAK:
        return "they differ somewhere"
    if found.unseen > LARGEST_STRIP:
        return "a strip at the border is on one of them only"
    return "too noisy for the smallest defect"


def quartiles(values: Any) -> list[float]:
    """Least, quarter, median, three quarters, most."""
    if not len(values):
        return []
    return [round(float(v), 3) for v in np.percentile(values, (0, 25, 50, 75, 100))]


def strangers(chosen: Sequence[Path], count: int) -> list[PairOfFiles]:
    """Random pairs of tiles from two different classes: never one view."""
    rng = np.random.default_rng(1)
    found: list[PairOfFiles] = []
    while len(found) < count:
        first, second = (chosen[int(i)] for i in rng.integers(0, len(chosen), 2))
        if first.parts[-3] != second.parts[-3]:
            found.append((first, second))
    return found


def met(pair: PairOfFiles) -> tuple[str, bool, int]:
    """Two strangers: the verdict, what the residual alone would say, and the distance of their hashes."""
    cv2.setNumThreads(1)
    first, second = (original(path) for path in pair)
    seen = compare(first, second)
    alone = seen is not None and proven(seen.peak, seen.faintest, seen.unseen, SMALLEST_DEFECT)
    return judge(first, second)[0], alone, bits_between(first, second)


def of_strangers(pairs: Sequence[PairOfFiles]) -> dict[str, Any]:
    """How many strangers were called what."""
    with ProcessPoolExecutor(WORKERS) as pool:
        done = list(track(pool.map(met, pairs, chunksize=8), "comparing strangers", len(pairs)))
    return {
        "pairs": len(pairs),
        "verdicts": dict(Counter(verdict for verdict, _, _ in done)),
        "same": share(sum(verdict == "same" for verdict, _, _ in done), len(done)),
        "same_by_the_residual_alone": share(sum(alone for _, alone, _ in done), len(done)),
        "within_the_radius": share(sum(bits <= RADIUS for _, _, bits in done), len(done)),
    }
