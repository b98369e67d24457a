"""All pairs of 64-bit hashes that differ in few bits: none is missed, and not every pair is looked at.

Hashes are cut into chunks. If two differ in at most r bits, then in some chunk they differ in at most that chunk's
share of r (the shares add up to r + 1 - chunks): so only pairs whose chunk is nearly equal are counted bit by bit.

Covered: recall of 100 % within the radius, for any hashes; equal hashes are met once and stand for each other; bounded
memory, both cores. Not covered: sets in which almost all hashes are alike, where the answer itself is quadratic: ask
`pairs_within` for a limit.

Source: the generalised pigeonhole principle of Norouzi, Punjani and Fleet, "Fast exact search in Hamming space with
multi-index hashing" (2014), applied to all pairs at once.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspection.data.fingerprints import Hashes

BITS = 64
RADIUS = 10
PAIR_COST, PROBE_COST = 7.0, 12.0
"""Nanoseconds for one pair counted and for one bucket looked up: they decide into how many chunks hashes are cut."""
BLOCK = 1 << 19
"""Pairs counted at a time: they stay in the cache."""
MAX_CHUNK_BITS = 24

Pairs = npt.NDArray[np.int32]


class TooManyPairs(Exception):
    """More pairs than were asked for: the hashes are too alike to tell the images apart."""


@dataclass(frozen=True)
class Chunk:
    """Bits `shift` to `shift + bits`, in which a pair may differ in at most `radius`."""

    shift: int
    bits: int
    radius: int

    @property
    def masks(self) -> int:
        """Differences of a chunk that have to be tried."""
        return sum(_choose(self.bits, k) for k in range(self.radius + 1))

    def of(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        """The chunk's value in every hash."""
        low = (hashes >> np.uint64(self.shift)) & np.uint64((1 << self.bits) - 1)
        return low.astype(np.int64)


def pairs_within(hashes: Hashes, radius: int = RADIUS, *, limit: int | None = None) -> Pairs:
    """Every pair (i < j) of positions whose hashes differ in at most `radius` bits; int32 (M, 2).

    Equal hashes should be merged first (`distinct`): a thousand of them are half a million pairs. TooManyPairs as soon
    as there are more than `limit`.
    """
    return _pairs(hashes, None, radius, limit)


def pairs_between(
    first: Hashes, second: Hashes, radius: int = RADIUS, *, limit: int | None = None
) -> Pairs:
    """Every pair (position in `first`, position in `second`) within `radius` bits; int32 (M, 2)."""
    return _pairs(first, second, radius, limit)


def _pairs(first: Hashes, second: Hashes | None, radius: int, limit: int | None) -> Pairs:
    if not 0 <= radius < BITS:
        raise ValueError(f"a radius of {radius} bits: 0 to {BITS - 1} can be searched")
    found: list[Pairs] = [np.zeros((0, 2), np.int32)]
    workers = os.cpu_count() or 1
    chunks = plan(max(len(first), 1 if second is None else len(second)), radius)
    with ThreadPoolExecutor(workers) as pool:
        for place, chunk in enumerate(chunks):
            left = _Table(first, chunk)
            right = left if second is None else _Table(second, chunk)
            search = functools.partial(_search, left, right, radius, chunks[:place])
            tasks = [
                pool.submit(search, part) for part in _shares(_differences(chunk), 4 * workers)
            ]
            for task in tasks:
                found += task.result()
                count = sum(len(pairs) for pairs in found)
                if limit is not None and count > limit:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise TooManyPairs(f"more than {limit} pairs within {radius} bits")
    return np.concatenate(found)


def distinct(hashes: Hashes) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Sorted distinct hashes, and for each image which of them is its own."""
    unique, place = np.unique(hashes, return_inverse=True)
    return unique, place.astype(np.int64)


def plan(count: int, radius: int) -> tuple[Chunk, ...]:
    """The chunks by which `count` hashes are searched fastest."""
    fewest = -(-BITS // MAX_CHUNK_BITS)
    ways = [
        _cut(parts, max(radius, fewest - 1), wider)
        for parts in range(fewest, max(radius, fewest) + 2)
        for wider in range(5)
    ]
    fit = [way for way in ways if all(0 < chunk.bits <= MAX_CHUNK_BITS for chunk in way)]
    return min(fit, key=lambda chunks: sum(_cost(chunk, count) for chunk in chunks))


def _cut(parts: int, radius: int, wider: int) -> tuple[Chunk, ...]:
    """Radii as even as they can be; chunks with the larger one have `wider` bits more, the rest is shared evenly."""
    share, larger = divmod(radius + 1 - parts, parts)
    bits, left = divmod(BITS - larger * wider, parts)
    chunks, shift = [], 0
    for i in range(parts):
        width = bits + (i < left) + wider * (i < larger)
        chunks.append(Chunk(shift, width, share + (i < larger)))
        shift += width
    return tuple(chunks)


def _cost(chunk: Chunk, count: int) -> float:
    pairs = count * count / 2 * chunk.masks / (1 << chunk.bits)
    return pairs * PAIR_COST + chunk.masks * count * PROBE_COST


def _choose(n: int, k: int) -> int:
    value = 1
    for i in range(k):
        value = value * (n - i) // (i + 1)
    return value


def _differences(chunk: Chunk) -> list[int]:
    """Every way in which two chunks may differ, as a mask."""
    return [
        sum(1 << bit for bit in bits)
        for k in range(chunk.radius + 1)
        for bits in itertools.combinations(range(chunk.bits), k)
    ]


def _shares(masks: list[int], parts: int) -> list[list[int]]:
    return [masks[start::parts] for start in range(min(parts, len(masks)))]


class _Table:
    """Hashes in the order of one chunk, and where each of its values begins."""

    def __init__(self, hashes: Hashes, chunk: Chunk) -> None:
        values = chunk.of(hashes)
        self.order = np.argsort(values, kind="stable").astype(np.int32)
        self.hashes = hashes[self.order]
        sizes = np.bincount(values, minlength=1 << chunk.bits)
        self.starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        self.values = np.flatnonzero(sizes).astype(np.int32)
        self.sizes = sizes.astype(np.int32)


def _search(
    left: _Table, right: _Table, radius: int, earlier: tuple[Chunk, ...], masks: list[int]
) -> list[Pairs]:
    """Pairs within `radius` whose chunk differs by one of `masks` and that no earlier chunk has found."""
    found = []
    for mask in masks:
        for rows, partners in _blocks(left, right, mask):
            difference = left.hashes[rows] ^ right.hashes[partners]
            near = np.flatnonzero(np.bitwise_count(difference) <= radius)
            if not len(near):
                continue
            new = near[~_met(difference[near], earlier)]
            pair = np.stack([left.order[rows[new]], right.order[partners[new]]], axis=1)
            found.append(np.sort(pair, axis=1) if left is right else pair)
    return found


def _met(difference: Hashes, earlier: tuple[Chunk, ...]) -> npt.NDArray[np.bool_]:
    met = np.zeros(len(difference), bool)
    for chunk in earlier:
        met |= np.bitwise_count(chunk.of(difference)) <= chunk.radius
    return met


def _blocks(left: _Table, right: _Table, mask: int) -> Iterator[tuple[Pairs, Pairs]]:
    """Rows of both tables whose chunks differ by exactly `mask`; about `BLOCK` pairs at a time.

    Within one table each pair comes once, and no row with itself.
    """
    values = left.values
    if left is right and mask == 0:
        rows = np.arange(len(left.order), dtype=np.int32)
        ends = np.repeat(left.starts[1:][values], left.sizes[values])
        yield from _ragged(rows, rows + 1, ends - rows - 1)
        return
    if left is right:
        # The smaller of two values lacks the highest bit in which they differ.
        values = values[(values & np.int32(1 << (mask.bit_length() - 1))) == 0]
    partners = values ^ np.int32(mask)
    meets = right.sizes[partners] > 0
    values, partners = values[meets], partners[meets]
    sizes = left.sizes[values]
    rows = ranges(left.starts[values], sizes)
    firsts = np.repeat(right.starts[partners], sizes)
    yield from _ragged(rows, firsts, np.repeat(right.sizes[partners], sizes))


def _ragged(rows: Pairs, firsts: Pairs, counts: Pairs) -> Iterator[tuple[Pairs, Pairs]]:
    """Row `rows[i]` with each of `firsts[i]`, `firsts[i] + 1` … `counts[i]` of them."""
    ends = np.cumsum(counts, dtype=np.int64)
    begin, done = 0, 0
    while begin < len(rows):
        stop = max(begin + 1, int(np.searchsorted(ends, done + BLOCK, side="right")))
        part = slice(begin, stop)
        left = np.repeat(rows[part], counts[part])
        if len(left):
            yield left, ranges(firsts[part], counts[part])
        begin, done = stop, int(ends[stop - 1])


def ranges(firsts: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]) -> Pairs:
    """`counts[0]` numbers from `firsts[0]` on, then as many as `counts[1]` says from `firsts[1]` on …; int32."""
    if not len(counts):
        return np.zeros(0, np.int32)
    ends = np.cumsum(counts, dtype=np.int64)
    before = ends - counts
    places = np.arange(int(ends[-1]), dtype=np.int32)
    return places + np.repeat((firsts - before).astype(np.int32), counts)
