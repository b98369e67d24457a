"""Just enough comparisons to know which earlier splits have seen an image: one proof for each image and such a split.

Covered: what is proven, and whether an upright copy proves it or only a turned one, is what judging all pairs would
say. Not covered: the other copies; which one is named hangs on what lies nearest, not on the order of paths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_checks.candidates import descriptor_distance
from data_checks.hamming import Pairs
from data_checks.same_view import Judged
from inspection.data.fingerprints import Fingerprints, views

Asked = Mapping[int, Sequence[int]]
"""Views to be compared, by the pair's number."""
Judge = Callable[[Pairs, Sequence[int]], list[Judged]]
"""Pairs of rows and the view of each second in, verdicts in that order out."""
Numbers = npt.NDArray[np.int64]
HOME_BITS = {"train": 1, "val": 2, "test": 4}
"""In the order of use: an image leaks when an earlier split has it too, so nobody asks what a later one has seen."""


def apart(pairs: Pairs, homes: Numbers) -> npt.NDArray[np.bool_]:
    """Pairs that can prove something: one of the two is in a later split, and not in an earlier one that has the other.

    `homes`: the splits that have each picture, as `HOME_BITS`; 0 where none has it.
    """
    telling = np.zeros(len(pairs), bool)
    telling[_goals(pairs, homes)[1]] = True
    return telling


def proofs(
    judge: Judge, pairs: Pairs, asked: Asked, prints: Fingerprints, homes: Numbers
) -> list[Judged]:
    """Pairs that show one surface: for each picture one with each earlier split that has it, in the order of pairs.

    `pairs` are `apart`. What has an upright copy is never called turned, since upright views are all compared before
    a turned one is; among several copies, and several turns of one, the one with the nearest hash is found.
    """
    attempts = _attempts(pairs, asked, prints)
    goal, attempt = _goals(attempts.pairs, homes)
    found: dict[int, Judged] = {}
    for turned in (False, True):
        now = (attempts.view[attempt] > 0) == turned
        fitting = _rounds(judge, attempts, goal[now], attempt[now])
        for row, verdict in fitting.items():
            found.setdefault(int(attempts.number[row]), verdict)
        left = ~np.isin(goal, goal[np.isin(attempt, list(fitting))])
        goal, attempt = goal[left], attempt[left]
    return [found[number] for number in sorted(found)]


@dataclass(frozen=True, eq=False)
class _Attempts:
    """Comparisons that can be made: the pair's number, its rows, the view of the second, and how far hashes differ."""

    number: Numbers
    pairs: Pairs
    view: Numbers
    distance: Numbers


def _attempts(pairs: Pairs, asked: Asked, prints: Fingerprints) -> _Attempts:
    number = np.repeat(np.array(list(asked), np.int64), [len(each) for each in asked.values()])
    view = np.array([view for each in asked.values() for view in each], np.int64)
    each = pairs[number]
    # The longer descriptor knows upright views only; turned ones are compared after those, never with them.
    upright = descriptor_distance(each, prints.descriptors)
    seen = views(prints.hashes)[view, each[:, 1]] ^ prints.hashes[each[:, 0]]
    distance = np.where(view > 0, np.bitwise_count(seen), upright)
    return _Attempts(number, each, view, distance)


def _goals(pairs: Pairs, homes: Numbers) -> tuple[Numbers, Numbers]:
    """What each pair would prove, as (goals, rows of `pairs`): a goal is a picture and an earlier split without it."""
    goals, rows = [], []
    for side in (0, 1):
        mine, other = pairs[:, side], pairs[:, 1 - side]
        for place, bit in enumerate(HOME_BITS.values()):
            later = homes[mine] > bit
            new = np.flatnonzero((homes[other] & ~homes[mine] & bit > 0) & later)
            goals.append(mine[new].astype(np.int64) * len(HOME_BITS) + place)
            rows.append(new)
    return np.concatenate(goals), np.concatenate(rows)


def _rounds(
    judge: Judge, attempts: _Attempts, goal: Numbers, attempt: Numbers
) -> dict[int, Judged]:
    """Verdicts on the attempts that fit, until each goal is proven or has nothing left that could prove it.

    A goal asks for its nearest attempt, then for the next two, the next four …: rounds stay few where nothing fits, and
    where something does, fewer than twice as many are compared as one by one.
    """
    order = np.lexsort((attempt, attempts.distance[attempt], goal))
    goal, attempt = goal[order], attempt[order]
    fitting: dict[int, Judged] = {}
    width = 1
    while len(goal):
        chosen = np.unique(attempt[_rank(goal) < width])
        verdicts = judge(attempts.pairs[chosen], attempts.view[chosen].tolist())
        told = dict(zip(chosen.tolist(), verdicts, strict=True))
        new = {row: one for row, one in told.items() if one.verdict != "different"}
        fitting |= new
        proven = goal[np.isin(attempt, list(new))]
        left = ~np.isin(attempt, chosen) & ~np.isin(goal, proven)
        goal, attempt, width = goal[left], attempt[left], 2 * width
    return fitting


def _rank(goal: Numbers) -> Numbers:
    """Place of each row among those of its goal; goals are sorted."""
    return np.arange(len(goal)) - np.searchsorted(goal, goal)
