"""The search finds every pair within its radius, whatever the hashes are; brute force says which those are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_checks.hamming import (
    BITS,
    Chunk,
    Hashes,
    TooManyPairs,
    distinct,
    pairs_between,
    pairs_within,
    plan,
)

pytestmark = pytest.mark.thorough


def brute(first: Hashes, second: Hashes, radius: int) -> set[tuple[int, int]]:
    near = np.bitwise_count(first[:, None] ^ second[None]) <= radius
    return {(int(i), int(j)) for i, j in np.argwhere(near)}


def flipped(hashes: Hashes, rng: np.random.Generator, flips: int) -> Hashes:
    """Each hash with exactly `flips` bits changed."""
    masks = [sum(1 << int(b) for b in rng.choice(BITS, flips, replace=False)) for _ in hashes]
    return hashes ^ np.array(masks, np.uint64)


def clustered(seed: int, centres: int, members: int, flips: int) -> Hashes:
    rng = np.random.default_rng(seed)
    middle = rng.integers(0, 2**64, centres, dtype=np.uint64)
    around = [flipped(middle, rng, int(rng.integers(0, flips + 1))) for _ in range(members)]
    return np.unique(np.concatenate([middle, *around]))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    centres=st.integers(1, 30),
    members=st.integers(0, 12),
    flips=st.integers(0, 14),
    radius=st.integers(0, 16),
)
def test_every_pair_within_the_radius_is_found_once(
    seed: int, centres: int, members: int, flips: int, radius: int
) -> None:
    hashes = clustered(seed, centres, members, flips)
    found = [(int(i), int(j)) for i, j in pairs_within(hashes, radius)]
    wanted = {(i, j) for i, j in brute(hashes, hashes, radius) if i < j}
    assert len(found) == len(set(found))
    assert set(found) == wanted


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), radius=st.integers(0, 14))
def test_every_pair_between_two_sets_is_found_once(seed: int, radius: int) -> None:
    first = clustered(seed, 12, 6, 10)
    second = flipped(first, np.random.default_rng(seed), 4)[::-1].copy()
    found = [(int(i), int(j)) for i, j in pairs_between(first, second, radius)]
    assert len(found) == len(set(found))
    assert set(found) == brute(first, second, radius)


def test_no_pair_is_missed_among_many_at_exactly_the_radius() -> None:
    rng = np.random.default_rng(4)
    hashes = rng.integers(0, 2**64, 30_000, dtype=np.uint64)
    planted = flipped(hashes[:2000], rng, 10)
    every = np.concatenate([hashes, planted])
    found = {(int(i), int(j)) for i, j in pairs_within(every, 10)}
    assert {(i, 30_000 + i) for i in range(2000)} <= found


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 10, 16, 31])
@pytest.mark.parametrize("count", [2, 1_000, 1_000_000, 100_000_000])
def test_the_shares_of_the_radius_leave_no_pair_out(count: int, radius: int) -> None:
    chunks = plan(count, radius)
    assert sum(chunk.bits for chunk in chunks) == BITS
    assert [chunk.shift for chunk in chunks] == [
        sum(other.bits for other in chunks[:place]) for place in range(len(chunks))
    ]
    # A pair that no chunk finds differs in at least one bit more than its share in each.
    assert sum(chunk.radius + 1 for chunk in chunks) > radius


def test_more_hashes_are_cut_into_fewer_and_longer_chunks() -> None:
    assert len(plan(1_000, 10)) > len(plan(1_000_000, 10)) >= 3


def test_an_answer_that_is_too_long_is_refused() -> None:
    alike = np.arange(3_000, dtype=np.uint64)
    with pytest.raises(TooManyPairs, match="more than 10000 pairs within 10 bits"):
        pairs_within(alike, 10, limit=10_000)
    assert len(pairs_within(alike[:100], 10, limit=10_000)) == 100 * 99 // 2


@pytest.mark.parametrize("radius", [-1, 64, 100])
def test_a_radius_out_of_range_is_an_error(radius: int) -> None:
    with pytest.raises(ValueError, match="0 to 63"):
        pairs_within(np.zeros(2, np.uint64), radius)


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_is_near_nothing(count: int) -> None:
    assert pairs_within(np.zeros(count, np.uint64)).shape == (0, 2)
    assert pairs_between(np.zeros(0, np.uint64), np.zeros(count, np.uint64)).shape == (0, 2)


def test_equal_hashes_are_met_once() -> None:
    hashes = np.array([7, 3, 7, 7], np.uint64)
    unique, place = distinct(hashes)
    assert unique.tolist() == [3, 7]
    assert unique[place].tolist() == hashes.tolist()


def test_the_masks_of_a_chunk_are_counted() -> None:
    assert Chunk(0, 16, 2).masks == 1 + 16 + 120
