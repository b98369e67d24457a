"""One proof for each image and earlier split says what judging every pair says, and asks far less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_checks import copies as copies_module
from data_checks.candidates import descriptor_distance
from data_checks.copies import Copies, find_copies
from data_checks.hamming import Pairs
from data_checks.proofs import HOME_BITS, apart, proofs
from data_checks.same_view import Evidence, Judged, judge_pairs
from data_checks.split_audit import PAIRS, _copied, _plainest, audit_split
from inspection.config import SplitConfig
from inspection.data.fingerprints import SYMMETRIES, Fingerprints, view_of
from inspection.data.index import ImageIndex
from tests.unit.checks_material import Pixels, indexed, surface
from tests.unit.test_checks_residual import inner, recapture

pytestmark = pytest.mark.thorough

Fits = dict[tuple[int, int], set[int]]
"""Views in which a pair shows one surface."""


class World:
    """Pictures in random splits, pairs that may be compared, and the truth about them, without a pixel."""

    def __init__(self, seed: int, *, pictures: int = 30) -> None:
        rng = np.random.default_rng(seed)
        self.homes = rng.choice([1, 1, 1, 2, 4, 4, 3, 5, 0], pictures).astype(np.int64)
        words = rng.integers(0, 2**63, (pictures, 4), dtype=np.uint64)
        self.prints = Fingerprints(("",) * pictures, words[:, 0], words)
        every = np.array([(i, j) for i in range(pictures) for j in range(i + 1, pictures)])
        some = every[rng.random(len(every)) < 0.3].astype(np.int32)
        self.pairs = some[apart(some, self.homes)]
        self.asked = {row: _views(rng) for row in range(len(self.pairs))}
        self.fits: Fits = {
            (int(i), int(j)): {view for view in range(8) if rng.random() < 0.1}
            for i, j in self.pairs
        }
        self.judged: list[tuple[int, int, int]] = []

    def judge(self, pairs: Pairs, views: Sequence[int]) -> list[Judged]:
        rows = [(int(i), int(j), view) for (i, j), view in zip(pairs, views, strict=True)]
        self.judged += rows
        return [
            Judged(
                str(i),
                str(j),
                "alike" if view in self.fits[i, j] else "different",
                Evidence(0.9, SYMMETRIES[view]),
            )
            for i, j, view in rows
        ]

    def best(self, found: Sequence[Judged]) -> dict[tuple[int, int], str]:
        """Cause by picture and earlier split that has seen it, upright before turned."""
        best: dict[tuple[int, int], str] = {}
        for one in found:
            cause = "near" if one.evidence.symmetry == SYMMETRIES[0] else "turned"
            ends = int(one.first), int(one.second)
            for mine, other in (ends, ends[::-1]):
                for bit in HOME_BITS.values():
                    if self.homes[other] & ~self.homes[mine] & bit and self.homes[mine] > bit:
                        best[mine, bit] = min(best.get((mine, bit), "turned"), cause)
        return best

    def everything(self) -> list[Judged]:
        rows = [(row, view) for row, views in self.asked.items() for view in views]
        told = self.judge(self.pairs[[row for row, _ in rows]], [view for _, view in rows])
        return [one for one in told if one.verdict != "different"]


def _views(rng: np.random.Generator) -> list[int]:
    views = rng.permutation(8)[: rng.integers(1, 4)]
    return sorted(int(view) for view in views)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_proven_is_what_judging_everything_proves(seed: int) -> None:
    world = World(seed)
    found = proofs(world.judge, world.pairs, world.asked, world.prints, world.homes)
    asked = list(world.judged)
    assert world.best(found) == world.best(world.everything())
    assert len(set(asked)) == len(asked), "nothing is compared twice"
    assert len({(one.first, one.second) for one in found}) == len(found)
    assert [(int(one.first), int(one.second)) for one in found] == sorted(
        (int(one.first), int(one.second)) for one in found
    )


def test_far_less_is_compared_where_all_are_copies_and_the_nearest_first() -> None:
    world = World(1)
    world.asked = {row: [0, 4] for row in world.asked}
    world.fits = {pair: {0, 4} for pair in world.fits}
    proofs(world.judge, world.pairs, world.asked, world.prints, world.homes)
    assert {view for *_, view in world.judged} == {0}
    assert len(world.judged) < len(world.pairs) / 2
    assert len(world.judged) <= 2 * len(world.homes)
    distance = descriptor_distance(world.pairs, world.prints.descriptors)
    nearest = world.pairs[int(np.argmin(distance))]
    assert (int(nearest[0]), int(nearest[1]), 0) in world.judged


def test_where_nothing_fits_everything_is_compared_once_in_few_rounds() -> None:
    world = World(2, pictures=60)
    world.fits = {pair: set() for pair in world.fits}
    sizes: list[int] = []

    def counted(pairs: Pairs, views: Sequence[int]) -> list[Judged]:
        sizes.append(len(pairs))
        return world.judge(pairs, views)

    assert proofs(counted, world.pairs, world.asked, world.prints, world.homes) == []
    assert sum(sizes) == sum(len(views) for views in world.asked.values())
    assert len(sizes) <= 16


def test_only_pairs_that_could_prove_something_are_apart() -> None:
    homes = np.array([1, 1, 4, 5, 5, 0], np.int64)
    pairs = np.array([(i, j) for i in range(6) for j in range(i + 1, 6)], np.int32)
    kept = {(int(i), int(j)) for i, j in pairs[apart(pairs, homes)]}
    # Equal pixels have proven already that train has both of the pictures that test has too.
    assert kept == {(0, 2), (1, 2), (2, 3), (2, 4)}
    assert set(PAIRS) == {
        (a, b) for a, x in HOME_BITS.items() for b, y in HOME_BITS.items() if x < y
    }


def re_exposed(root: Path) -> ImageIndex:
    """Four parts taken often, upright and turned, and strangers, under a layout that makes all alike to hashes."""
    field = cv2.GaussianBlur(np.random.default_rng(4).normal(0, 1, (112, 112)), (0, 0), 9)
    layout = (30 * (field + field.T) / field.std())[..., None]

    def printed(pixels: Pixels) -> Pixels:
        return np.asarray(np.clip(0.5 * pixels + 60 + layout, 0, 255), np.uint8)

    rng = np.random.default_rng(0)
    images: dict[str, Pixels] = {}
    for seed in range(8):
        part = surface(seed, size=120)
        for take in range(5 if seed < 4 else 1):
            home = rng.choice(["train", "train", "val", "test"])
            taken = recapture(part, 10 * seed + take) if take else inner(part)
            view = int(rng.choice([0, 0, 4, 1]))
            images[f"{home}/ok/{seed}-{take}.png"] = view_of(printed(taken), view)
    images["test/ok/same.png"] = next(
        pixels for path, pixels in images.items() if path.startswith("train")
    )
    return indexed(root, images)


@pytest.mark.thorough
@pytest.mark.parametrize("symmetries", [False, True])
def test_images_leak_between_the_same_splits_for_the_same_causes_as_when_all_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, symmetries: bool
) -> None:
    paths = re_exposed(tmp_path).frame["path"]
    index = re_exposed(tmp_path).with_columns(split=[path.split("/")[0] for path in paths])
    homes = dict(zip(index.frame["path"], index.frame["split"], strict=True))
    asked: list[int] = []

    def counted(
        root: Path, names: Sequence[str], pairs: Pairs, views: Sequence[int], **more: float
    ) -> list[Judged]:
        asked.append(len(pairs))
        return judge_pairs(root, names, pairs, views, **more)

    def told(copies: Copies) -> dict[tuple[str, str], str]:
        best = _plainest(list(_copied(copies, homes)), homes)
        return {
            (path, seen): one.cause
            for (path, seen), one in best.items()
            if (seen, homes[path]) in PAIRS
        }

    monkeypatch.setattr(copies_module, "judge_pairs", counted)
    all_of_them = told(find_copies(index, symmetries=symmetries))
    judged, asked[:] = sum(asked), []
    enough = told(find_copies(index, symmetries=symmetries, across_splits=True))
    assert enough == all_of_them
    assert set(enough.values()) == {"exact", "near"} | ({"turned"} if symmetries else set())
    assert 0 < sum(asked) < judged
    audit = audit_split(index, SplitConfig(symmetries=symmetries))
    for pair in audit.pairs:
        causes = [
            all_of_them[path, seen]
            for path, seen in all_of_them
            if (seen, homes[path]) == (pair.seen, pair.judged)
        ]
        assert pair.causes == Counter(causes)
