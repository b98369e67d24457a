"""A plan for duplicates that loses no defect: what to keep, drop, group, or show to people. Nothing is done here.

Covered: an image is dropped only if it was compared, pixel by pixel, with the very image that is kept for it and found
the same (no chains: each cluster is a star about its medoid), if all that is said of both agrees, and if it shows
nothing that clipping hides in the kept one. Images of one surface that differ are grouped, so that no split parts them.
Not covered: copies that `candidates` does not propose; halves of a template pair, and unlabelled copies of a labelled
image, which are grouped but never dropped.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from data_checks.agreement import Descriptions
from data_checks.candidates import BUDGET, SearchReport
from data_checks.contradictions import COPY_CONFLICT
from data_checks.copies import Copies, find_copies
from data_checks.hamming import RADIUS
from data_checks.same_view import SMALLEST_DEFECT, Judged
from inspection.data.edits import Edit, Edits
from inspection.data.grouping import components
from inspection.data.index import ImageIndex, plain
from inspection.records import Record

MOST_HIDDEN = 0.005
"""Share of the view that may be clipped in the kept image alone."""

Action = Literal["keep", "drop", "group", "conflict"]
Edges = Mapping[str, Mapping[str, Judged]]
"""What each image could be kept for."""
Worth = tuple[float, int]
"""The smaller the better, among images with as many copies."""
_RANK: Mapping[str, int] = {"group": 0, "keep": 1, "drop": 2, "conflict": 3}


@dataclass(frozen=True)
class DedupeOptions(Record):
    """How duplicates are sought: see `candidates` and `same_view`."""

    radius: int = RADIUS
    symmetries: bool = False
    smallest_defect: float = SMALLEST_DEFECT
    budget: int = BUDGET
    mask_threshold: int = 128
    max_megapixels: float = 100.0


@dataclass(frozen=True)
class Planned(Record):
    """What is to become of one image: `of` is the image kept for it, or the one it contradicts; `why` a sentence."""

    path: str
    action: Action
    of: str
    why: str


@dataclass(frozen=True)
class DedupePlan(Record):
    """Every image that is not alone, the pairs behind it, and the edits that carry it out."""

    options: DedupeOptions
    search: SearchReport
    planned: tuple[Planned, ...]
    judged: tuple[Judged, ...]
    edits: Edits

    def count(self, action: Action) -> int:
        """Images with this action."""
        return sum(planned.action == action for planned in self.planned)

    @property
    def sentence(self) -> str:
        """The plan in one line."""
        return (
            f"{self.search.images} different pictures: drop {self.count('drop')}, for which {self.count('keep')} stay; "
            f"group {self.count('group')} more; {self.count('conflict')} contradict a copy"
        )


def plan_dedupe(index: ImageIndex, options: DedupeOptions) -> DedupePlan:
    """Compare the usable images of an index; the index itself stays as it is."""
    usable = index.usable()
    paths = [str(path) for path in usable.frame["path"]]
    copies = find_copies(
        usable,
        symmetries=options.symmetries,
        radius=options.radius,
        budget=options.budget,
        smallest_defect=options.smallest_defect,
        max_megapixels=options.max_megapixels,
    )
    said = Descriptions.of(usable, options.mask_threshold)
    exact = _plan_exact([paths for paths in copies.equal if len(paths) > 1], said)
    sizes = dict(zip(paths, usable.frame["bytes"].fillna(0).astype(int), strict=True))
    conflicts = {each.path for each in exact if each.action == "conflict"}
    near = _plan_near(copies.judged, said, conflicts, sizes)
    merged = _one_each([*exact, *near])
    component = _components(paths, copies)
    return DedupePlan(
        options=options,
        search=copies.search,
        planned=tuple(merged[path] for path in sorted(merged)),
        judged=copies.judged,
        edits=Edits("dedupe", tuple(_edits(usable, merged, component))),
    )


def _plan_exact(copies: Iterable[Sequence[str]], said: Descriptions) -> list[Planned]:
    planned: list[Planned] = []
    for kept, *others in (part for paths in copies for part in said.comparable(paths)):
        differs = {other: said.disagreement(kept, other, exact=True) for other in others}
        contradicting = [other for other in others if differs[other]]
        if contradicting:
            planned += [_conflict(other, kept, differs[other], said) for other in contradicting]
            planned.append(_conflict(kept, contradicting[0], differs[contradicting[0]], said))
        elif any(said.paired(path) for path in (kept, *others)):
            why = "equal pixels, but each belongs to another image"
            planned += [Planned(path, "group", kept, why) for path in (kept, *others)]
        else:
            planned.append(Planned(kept, "keep", kept, f"kept for {len(others)} equal copies"))
            planned += [Planned(other, "drop", kept, "equal pixels") for other in others]
    return planned


def _plan_near(
    judged: Sequence[Judged], said: Descriptions, conflicting: set[str], sizes: Mapping[str, int]
) -> list[Planned]:
    planned: list[Planned] = []
    edges: dict[str, dict[str, Judged]] = {}
    conflicting = set(conflicting)
    for pair in judged:
        both = (pair.first, pair.second), (pair.second, pair.first)
        planned += [Planned(a, "group", b, pair.sentence) for a, b in both]
        if pair.verdict != "same" or said.paired(pair.first) or said.paired(pair.second):
            continue
        if said.unlabelled(pair.first) != said.unlabelled(pair.second):
            continue
        differs = said.disagreement(pair.first, pair.second, symmetry=pair.evidence.symmetry)
        if differs:
            planned += [_conflict(a, b, differs, said) for a, b in both]
            conflicting |= {pair.first, pair.second}
            continue
        for kept, dropped in both:
            if _hidden(pair, kept) <= MOST_HIDDEN:
                edges.setdefault(kept, {})[dropped] = pair
    return planned + _stars(edges, conflicting, sizes)


def _stars(edges: Edges, gone: set[str], sizes: Mapping[str, int]) -> list[Planned]:
    """The image with most copies is kept and those copies are dropped; and so on with what is left."""
    planned: list[Planned] = []
    gone = set(gone)
    for kept in _by_copies(edges, gone, _worth(edges, sizes)):
        copies = [path for path in sorted(edges[kept]) if path not in gone]
        planned.append(Planned(kept, "keep", kept, f"kept for {len(copies)} copies"))
        planned += [Planned(path, "drop", kept, edges[kept][path].sentence) for path in copies]
        gone |= {kept, *copies}
    return planned


def _by_copies(edges: Edges, gone: set[str], worth: Mapping[str, Worth]) -> Iterator[str]:
    """Medoids, each with the most copies that are left when its turn comes; `gone` grows outside."""
    waiting = [(-len(copies), worth[path], path) for path, copies in edges.items()]
    heapq.heapify(waiting)
    while waiting:
        few, rank, path = heapq.heappop(waiting)
        left = 0 if path in gone else sum(copy not in gone for copy in edges[path])
        if left and left == -few:
            yield path
        elif left:
            # Copies only ever go: what has fewer than it had waits for its new turn.
            heapq.heappush(waiting, (-left, rank, path))


def _worth(edges: Edges, sizes: Mapping[str, int]) -> dict[str, Worth]:
    """Which of equals to keep: the one that is clipped least, then the larger file."""
    return {
        path: (round(max(_hidden(pair, path) for pair in copies.values()), 4), -sizes[path])
        for path, copies in edges.items()
    }


def _hidden(pair: Judged, kept: str) -> float:
    """Share of the view that is clipped in the kept image only."""
    clipped = pair.evidence.clipped or (1.0, 1.0)
    return clipped[0] if kept == pair.first else clipped[1]


def _conflict(path: str, other: str, differs: Sequence[str], said: Descriptions) -> Planned:
    told = f" ('{said.label(path)}' and '{said.label(other)}')" if "label" in differs else ""
    why = f"the same picture, but other {' and '.join(differs)}{told}: look at both"
    return Planned(path, "conflict", other, why)


def _one_each(planned: Iterable[Planned]) -> dict[str, Planned]:
    """One decision per image: a conflict outweighs all, since nothing contradictory is dropped."""
    best: dict[str, Planned] = {}
    for each in planned:
        if each.path not in best or _RANK[each.action] > _RANK[best[each.path].action]:
            best[each.path] = each
    return best


def _components(paths: Sequence[str], copies: Copies) -> npt.NDArray[np.int32]:
    """A number per row, equal for images of one surface."""
    place = {path: row for row, path in enumerate(paths)}
    edges = [(place[equal[0]], place[path]) for equal in copies.equal for path in equal[1:]]
    edges += [(place[pair.first], place[pair.second]) for pair in copies.judged]
    return components(len(paths), np.array(edges, np.int64).reshape(-1, 2))


def _edits(
    usable: ImageIndex, planned: Mapping[str, Planned], component: npt.NDArray[np.int32]
) -> Iterator[Edit]:
    """A dropped image is set aside with its reason, a conflict noted for the audit; one surface shares a group."""
    frame = usable.frame
    sizes = np.bincount(component) if len(component) else np.zeros(0, np.int64)
    smallest: dict[int, str] = {}
    for number, image_id in zip(component, frame["image_id"], strict=True):
        smallest[int(number)] = min(smallest.get(int(number), str(image_id)), str(image_id))
    columns = (frame["path"], frame["group"], frame["warnings"], component)
    for path, group, warnings, number in zip(*columns, strict=True):
        if sizes[number] > 1 and plain(group) is None:
            yield Edit(path, "group", None, smallest[int(number)], "one surface")
        decision = planned.get(path)
        if decision is not None and decision.action == "conflict":
            told = f"{COPY_CONFLICT}: {decision.of}: {decision.why}"
            if told not in warnings:
                yield Edit(
                    path, "warnings", plain(warnings), [*plain(warnings), told], "for the audit"
                )
        if decision is not None and decision.action == "drop":
            why = f"the same as {decision.of}: {decision.why}"
            yield Edit(path, "quarantine", None, "duplicate", why)
            yield Edit(path, "detail", None, why, why)
