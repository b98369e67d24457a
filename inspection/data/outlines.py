"""Pixels as polygons of one ring each, for formats that know no run lengths: exact, along the edges of the pixels.

Covered: every 8-connected part of a mask is one ring whose inside, by the even-odd or the non-zero rule, is exactly the
part's pixel centres; a hole is joined to its outline by a line of no width. Not covered: fewer corners than a staircase
has; tools that refuse rings which touch themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from inspection.data.shapes import Mask, parts_in

Ring = npt.NDArray[np.int64]
"""Corners (N, 2) as x and y in pixels, (0, 0) the upper left corner of the first pixel; closed by itself."""


@dataclass(frozen=True)
class PartOutline:
    """The one ring of a connected part, and how many holes were joined to it."""

    ring: Ring
    holes: int

    def moved(self, x: int, y: int) -> PartOutline:
        """The same outline, so many pixels to the right and down."""
        return PartOutline(self.ring + np.array([x, y]), self.holes)


def outlines_of(mask: Mask) -> list[PartOutline]:
    """One ring per 8-connected part of a boolean (H, W), in the order of the parts' first pixels by rows."""
    outlines = []
    for x, y, part in parts_in(mask):
        outer, *holes = _walks(part)
        ring = _joined(part, outer, holes) if holes else outer
        outlines.append(PartOutline(_corners(ring), len(holes)).moved(x, y))
    return outlines


def _walks(part: Mask) -> list[Ring]:
    """Around one connected part, then around its holes: one step for each side of a pixel at the edge.

    OpenCV walks from centre to centre of the pixels at the edge. In an image of twice the size every pixel has four
    centres, each of which belongs to one of its corners: halved and rounded, the walk goes along the sides.
    """
    doubled = part.repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8)
    walks, tree = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    found = [_unrepeated((walk.reshape(-1, 2).astype(np.int64) + 1) // 2) for walk in walks]
    is_hole = [links[3] >= 0 for links in tree.reshape(-1, 4)]
    return [found[i] for i in np.argsort(is_hole, kind="stable")]


def _unrepeated(ring: Ring) -> Ring:
    """Without points that repeat the one before."""
    kept: Ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)]
    return kept


def _corners(ring: Ring) -> Ring:
    """Without repeated points, and without those in the middle of a straight line."""
    ring = _unrepeated(ring)
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    back = (before * after).sum(axis=1) < 0
    kept: Ring = ring[turns | back]
    return kept


def _joined(part: Mask, outer: Ring, holes: Sequence[Ring]) -> Ring:
    """One ring of all: from each hole's leftmost corner straight left to the next ring, there and back.

    A horizontal line between two rows of pixels changes no pixel, whichever way a tool rounds.
    """
    firsts = [int(np.lexsort((hole[:, 1], hole[:, 0]))[0]) for hole in holes]
    walks = [outer, *(np.roll(hole, -at, axis=0) for hole, at in zip(holes, firsts, strict=True))]
    starts = np.array([walk[0] for walk in walks[1:]])
    hangs: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for hole, (ring, at) in enumerate(_landings(part, walks, starts), start=1):
        hangs[ring].append((at, hole))
    # A ring that holes hang on lies further left than they: from the right, all that hangs on a ring is complete.
    for hole in (int(i) + 1 for i in np.argsort(-starts[:, 0], kind="stable")):
        walk = np.concatenate([walks[hole], walks[hole][:1]])
        walks[hole] = _with(walk, hangs[hole], walks)
    return _with(outer, hangs[0], walks)


def _landings(part: Mask, walks: Sequence[Ring], starts: Ring) -> list[tuple[int, int]]:
    """For the leftmost corner of each hole, the walk that a line to the left meets, and which of its points."""
    keys, owners, points = [], [], []
    for number, walk in enumerate(walks):
        after = np.roll(walk, -1, axis=0)
        upright = np.flatnonzero(walk[:, 0] == after[:, 0])
        upper = np.minimum(walk[upright, 1], after[upright, 1])
        keys.append(walk[upright, 0] * len(part) + upper)
        owners.append(np.full(len(upright), number))
        points.append((upright + (walk[upright, 1] != upper)) % len(walk))
    key, owner, point = (np.concatenate(each) for each in (keys, owners, points))
    empty = np.where(part, -1, np.arange(part.shape[1]))
    last_empty = np.maximum.accumulate(empty, axis=1)
    wanted = (last_empty[starts[:, 1], starts[:, 0] - 1] + 1) * len(part) + starts[:, 1]
    order = np.argsort(key)
    at = order[np.searchsorted(key, wanted, sorter=order)]
    return list(zip(owner[at].tolist(), point[at].tolist(), strict=True))


def _with(walk: Ring, hanging: list[tuple[int, int]], walks: Sequence[Ring]) -> Ring:
    """The walk with the other walks that hang on it: out at their point, and back to it."""
    pieces, done = [], 0
    for at, other in sorted(hanging):
        pieces += [walk[done : at + 1], walks[other], walk[at : at + 1]]
        done = at + 1
    return np.concatenate([*pieces, walk[done:]])
