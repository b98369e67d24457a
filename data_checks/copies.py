"""Every two images of a set that show one surface: equal pixels, near-copies, and, when asked, turned or mirrored ones.

Covered: whatever the hashes of `candidates` propose, compared pixel by pixel; a pair whose hashes are alike in several
views, as where a layout mirrors itself along a diagonal, is compared in each until one fits; across splits no more is
compared than proves which split has seen which image (`proofs`). Not covered: copies that `candidates` does not
propose; `duplicates` finds upright ones that are shifted further.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_checks.candidates import BUDGET, SearchReport, find_candidates
from data_checks.duplicates import DuplicatePair
from data_checks.hamming import RADIUS, Pairs
from data_checks.proofs import HOME_BITS, Judge, apart, proofs
from data_checks.same_view import SMALLEST_DEFECT, Judged, judge_pairs
from inspection.data.fingerprints import Fingerprints, Hashes, indexed_fingerprints, views
from inspection.data.index import ImageIndex

Asked = dict[int, list[int]]
"""Views still to be compared, by the pair's number."""


@dataclass(frozen=True)
class Copies:
    """`equal`: paths with equal pixels, one tuple per picture, those of one file too. `judged`: pairs of first paths
    that show one surface, none of them called different; across splits, one for each picture and earlier split.
    """

    equal: tuple[tuple[str, ...], ...]
    judged: tuple[Judged, ...]
    search: SearchReport


def find_copies(
    index: ImageIndex,
    *,
    symmetries: bool = False,
    across_splits: bool = False,
    turned_only: bool = False,
    radius: int = RADIUS,
    budget: int = BUDGET,
    smallest_defect: float = SMALLEST_DEFECT,
    max_megapixels: float = 100.0,
) -> Copies:
    """Copies among the usable images; `across_splits` proves only which earlier splits have each of them.

    `turned_only` leaves upright near-copies out. ImageError for a file that cannot be read any more.
    """
    usable = index.usable()
    equal = _equal_pictures(usable)
    firsts = [paths[0] for paths in equal]
    rows = {path: row for row, path in enumerate(usable.frame["path"])}
    pictures = usable.where([rows[path] for path in firsts])
    prints = indexed_fingerprints(pictures, max_megapixels=max_megapixels)
    found = find_candidates(
        prints, radius=radius, symmetries=symmetries or turned_only, budget=budget
    )
    homes = _homes(usable, equal)
    kept = apart(found.pairs, homes) if across_splits else np.ones(len(found.pairs), bool)
    pairs, symmetry = found.pairs[kept], found.symmetry[kept].tolist()
    asked = _asked(prints, pairs, symmetry, radius if symmetries or turned_only else None)
    if turned_only:
        asked = {number: [v for v in each if v] for number, each in asked.items()}
    opened = functools.partial(
        judge_pairs,
        usable.root,
        firsts,
        smallest_defect=smallest_defect,
        max_megapixels=max_megapixels,
    )
    enough = functools.partial(proofs, prints=prints, homes=homes)
    judged = (enough if across_splits else _judged)(opened, pairs, asked)
    return Copies(tuple(equal), tuple(judged), found.report)


def turned_copies(index: ImageIndex, *, max_megapixels: float = 100.0) -> tuple[DuplicatePair, ...]:
    """Turned and mirrored copies of one surface, for `duplicates.group_duplicates` to keep together."""
    found = find_copies(index, turned_only=True, max_megapixels=max_megapixels)
    return tuple(
        DuplicatePair(
            path_a=min(pair.first, pair.second),
            path_b=max(pair.first, pair.second),
            score=round(min(1.0, pair.evidence.similarity), 4),
            symmetry=pair.evidence.symmetry,
        )
        for pair in found.judged
    )


def _equal_pictures(usable: ImageIndex) -> list[tuple[str, ...]]:
    """Paths by picture, all in order of path: nothing hangs on the order of rows."""
    ordered = usable.frame.sort_values("path")
    copies: dict[str, list[str]] = {}
    for path, pixels in zip(ordered["path"], ordered["pixel_id"], strict=True):
        key = pixels if isinstance(pixels, str) else f"path {path}"
        copies.setdefault(key, []).append(str(path))
    return [tuple(paths) for paths in copies.values()]


def _homes(usable: ImageIndex, equal: Iterable[Sequence[str]]) -> npt.NDArray[np.int64]:
    """The splits that have each picture, as bits."""
    split = dict(zip(usable.frame["path"], usable.frame["split"], strict=True))
    homes = [{HOME_BITS.get(split[path], 0) for path in paths} for paths in equal]
    return np.array([sum(home) for home in homes], np.int64)


def _asked(
    prints: Fingerprints, pairs: Pairs, symmetry: Sequence[int], radius: int | None
) -> Asked:
    """The view that each pair was found by; with a radius also the others in which its hashes are that near."""
    found = {number: [view] for number, view in enumerate(symmetry)}
    if radius is not None and len(pairs):
        for view, alike in enumerate(_alike_views(prints.hashes, pairs, radius)):
            for number in np.flatnonzero(alike).tolist():
                if view not in found[number]:
                    found[number].append(view)
    return found


def _alike_views(hashes: Hashes, pairs: Pairs, radius: int) -> npt.NDArray[np.bool_]:
    """Boolean (8, M): in which views the second's hash is near the first's."""
    seen = views(hashes)[:, pairs[:, 1]]
    return np.asarray(np.bitwise_count(seen ^ hashes[pairs[:, 0]]) <= radius, bool)


def _judged(judge: Judge, pairs: Pairs, asked: Asked) -> list[Judged]:
    """Each pair in its views, one after the other, until one shows the same surface; in the order of pairs."""
    found: dict[int, Judged] = {}
    waiting = {number: list(each) for number, each in asked.items() if each}
    while waiting:
        numbers = sorted(waiting)
        symmetry = [waiting[number].pop(0) for number in numbers]
        verdicts = judge(pairs[np.array(numbers, np.int64)], symmetry)
        alike = dict(zip(numbers, verdicts, strict=True))
        found |= {number: one for number, one in alike.items() if one.verdict != "different"}
        waiting = {n: each for n, each in waiting.items() if each and n not in found}
    return [found[number] for number in sorted(found)]
