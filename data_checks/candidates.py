"""Pairs of images worth comparing pixel by pixel: every pair whose hashes differ in few bits, and none else.

Covered: recall of 100 % within the stated radius, under 8 symmetries when asked. When there are more pairs than the
budget, each image keeps those that the longer descriptor calls nearest, and what that may have lost is measured on a
sample of the pairs that were dropped. Not covered: copies whose hashes differ in more bits (other crops, other scale).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_checks.hamming import RADIUS, Pairs, distinct, pairs_between, pairs_within, ranges
from inspection.data.fingerprints import Descriptors, Fingerprints, views
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
    starts = (np.cumsum(sizes) - sizes).astype(np.int32)
    plain = (sizes[near] == 1).all(axis=1)
    found = [
        order[starts[near[plain]]],
        order[_products(near[~plain], starts, np.minimum(sizes, window))],
        order[_neighbours(starts, sizes, window)],
    ]
    pairs = np.concatenate(found)
    shared = (sizes * (sizes - 1) // 2).sum() + (sizes[near[:, 0]] * sizes[near[:, 1]]).sum()
    return pairs, int(shared) - len(pairs)


def _products(near: Pairs, starts: Pairs, sizes: npt.NDArray[np.int64]) -> Pairs:
    """Every place of the first group with every place of the second, for each pair of groups."""
    counts = sizes[near].prod(axis=1)
    first, second = starts[near].T
    width = np.repeat(sizes[near[:, 1]], counts)
    down, across = np.divmod(ranges(np.zeros_like(counts), counts), width)
    both = (np.repeat(first, counts) + down, np.repeat(second, counts) + across)
    return np.stack(both, axis=1).astype(np.int32)


def _neighbours(starts: Pairs, sizes: npt.NDArray[np.int64], window: int) -> Pairs:
    """Every two places of one group that are at most `window` apart."""
    several = sizes > 1
    starts, sizes = starts[several], sizes[several]
    places = ranges(starts, sizes)
    left = np.repeat(starts + sizes, sizes) - places - 1
    counts = np.minimum(left, window)
    return np.stack([np.repeat(places, counts), ranges(places + 1, counts)], axis=1)


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
