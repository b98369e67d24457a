"""Images that must not be torn apart by a split: exact copies, and near-copies of one physical surface.

Covered: what `similarity` covers; candidates come from shift-free signatures (all pairs in small sets), each is
verified by alignment. Nothing is deleted: a scratch added to a clean part still lands in that part's group, on purpose.
Not covered: turned copies (`copies` finds them); what `similarity` does not cover; near-copies beyond the `NEIGHBOURS`
nearest signatures are found only through each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from data_checks.results import CheckResult, limited_rows
from data_checks.similarity import (
    Spectra,
    Vectors,
    common_scale,
    descriptors,
    similarity,
    spectra_of,
)
from inspection.data.grouping import Edges, components, equal_edges
from inspection.data.index import ImageIndex
from inspection.records import Record

ALIKE = 0.5
"""Similarity from which two images show the same surface. On real sets strangers stay below 0.35."""
NEIGHBOURS = 24
"""Candidates per image; enough for a dozen re-captures of one part."""
ALL_PAIRS = 350
"""Up to so many images every pair is compared."""
LARGEST_SHARE = 0.2
"""A group holding more of the set than this is rather one layout than one part."""


@dataclass(frozen=True)
class DuplicatePair(Record):
    """Two near-copies; `score` is their similarity, 0.5 to 1; `symmetry` how the second is turned, empty if not."""

    path_a: str
    path_b: str
    score: float
    symmetry: str = ""


@dataclass(frozen=True)
class DuplicateReport(Record):
    """What was found; every tuple of paths is sorted.

    `exact_groups`: files with equal pixels. `pairs`: near-copies, best first. `groups`: files that share a group,
    largest first, groups of one left out. `images`: how many were compared.
    """

    images: int
    exact_groups: tuple[tuple[str, ...], ...]
    pairs: tuple[DuplicatePair, ...]
    groups: tuple[tuple[str, ...], ...]
    largest_group: int


def group_duplicates(
    index: ImageIndex, *, near_copies: bool = True, extra: Sequence[DuplicatePair] = ()
) -> tuple[ImageIndex, DuplicateReport]:
    """The index with `group` filled for usable rows (smallest image_id of the component), and the findings.

    Groups and pairs that a reader gave already are kept together. Rows in quarantine get no group. Without
    `near_copies` they are reported, but not grouped. `extra`: more near-copies, found elsewhere
    (`copies.turned_copies`).
    """
    usable = index.usable()
    exact = equal_edges(usable.frame["pixel_id"])
    near, scores = _near_edges(usable)
    more = _edges_of(extra, usable)
    given = [equal_edges(usable.frame[column]) for column in ("group", "pair_id")]
    together = [exact, *given, *([near, more] if near_copies else [])]
    component = components(len(usable), np.concatenate(together))
    ids = usable.frame["image_id"].to_numpy(dtype=object)
    smallest = {int(c): min(ids[component == c]) for c in np.unique(component)}
    by_path = dict(zip(usable.frame["path"], (smallest[int(c)] for c in component), strict=True))
    grouped = index.with_columns(group=[by_path.get(path) for path in index.frame["path"]])
    report = _report(usable, exact, near, scores, component)
    return grouped, replace(report, pairs=_merged(report.pairs, extra))


def check_groups(report: DuplicateReport) -> CheckResult:
    """Warn when one group swallows much of the set: such a group cannot be split."""
    share = report.largest_group / max(1, report.images)
    largest = report.groups[0] if report.groups else ()
    passed = share <= LARGEST_SHARE or report.largest_group <= 2
    return CheckResult(
        name="largest_group",
        passed=passed,
        observed=f"{report.largest_group} of {report.images} images in one group",
        limit=f"at most {LARGEST_SHARE:.0%}",
        advice="look at the pairs: more parts, or fewer frames of each, are needed to split the set",
        rows=() if passed else limited_rows(list(largest)),
        severity="warning",
        count=0 if passed else len(largest),
    )


def _edges_of(pairs: Sequence[DuplicatePair], index: ImageIndex) -> Edges:
    rows = {path: row for row, path in enumerate(index.frame["path"])}
    edges = [(rows[pair.path_a], rows[pair.path_b]) for pair in pairs]
    return np.array(edges, np.int64).reshape(-1, 2)


def _merged(
    pairs: Sequence[DuplicatePair], extra: Sequence[DuplicatePair]
) -> tuple[DuplicatePair, ...]:
    """Both, best first; what is a near-copy as it lies needs no turning."""
    known = {(pair.path_a, pair.path_b) for pair in pairs}
    every = [*pairs, *(pair for pair in extra if (pair.path_a, pair.path_b) not in known)]
    return tuple(sorted(every, key=lambda pair: (-pair.score, pair.path_a, pair.path_b)))


def _near_edges(index: ImageIndex) -> tuple[Edges, Vectors]:
    """Verified near-copies among the first of each set of exact copies, and their scores."""
    # By path, so that which of several exact copies speaks for them does not hang on the order of rows.
    copies = index.frame.sort_values("path")["pixel_id"].duplicated()
    first = np.sort(copies.index[~copies].to_numpy())
    if len(first) < 2:
        return np.zeros((0, 2), np.int64), np.zeros(0, np.float32)
    chosen = index.frame.iloc[first]
    sizes = list(zip(chosen["width"], chosen["height"], strict=True))
    paths = [index.root / path for path in chosen["path"]]
    spectra = spectra_of(paths, common_scale(sizes))
    pairs = candidates(spectra)
    scores = similarity_of(spectra, pairs)
    alike = scores >= ALIKE
    return first[pairs[alike]], scores[alike]


def candidates(spectra: Spectra) -> Edges:
    """Pairs (i < j) worth verifying; int64 (M, 2)."""
    count = len(spectra)
    if count <= ALL_PAIRS:
        return np.stack(np.triu_indices(count, 1), axis=1).astype(np.int64)
    signatures = descriptors(spectra)
    found = []
    for start in range(0, count, 1024):
        alike = signatures[start : start + 1024] @ signatures.T
        rows = np.arange(start, start + len(alike))
        alike[np.arange(len(alike)), rows] = -np.inf
        nearest = np.argpartition(-alike, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        found.append(np.stack([np.repeat(rows, NEIGHBOURS), nearest.ravel()], axis=1))
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0).astype(np.int64)


def similarity_of(spectra: Spectra, pairs: Edges) -> Vectors:
    """Similarity of index pairs, gathered in pieces so that memory stays small."""
    pieces = [
        similarity(spectra[part[:, 0]], spectra[part[:, 1]])
        for part in np.array_split(pairs, max(1, len(pairs) // 4096))
    ]
    return np.concatenate(pieces)


def _report(
    index: ImageIndex,
    exact: Edges,
    near: Edges,
    scores: Vectors,
    component: npt.NDArray[np.int32],
) -> DuplicateReport:
    paths = [str(path) for path in index.frame["path"]]
    pairs = [
        DuplicatePair(min(paths[a], paths[b]), max(paths[a], paths[b]), round(float(score), 4))
        for (a, b), score in zip(near, scores, strict=True)
    ]
    groups = _members(paths, component)
    return DuplicateReport(
        images=len(paths),
        exact_groups=_members(paths, components(len(paths), exact)),
        pairs=tuple(pairs),
        groups=groups,
        largest_group=len(groups[0]) if groups else min(1, len(paths)),
    )


def _members(paths: list[str], component: npt.NDArray[np.int32]) -> tuple[tuple[str, ...], ...]:
    members: dict[int, list[str]] = {}
    for path, number in zip(paths, component, strict=True):
        members.setdefault(int(number), []).append(path)
    several = [tuple(sorted(group)) for group in members.values() if len(group) > 1]
    return tuple(sorted(several, key=lambda group: (-len(group), group)))
