"""Whether a split keeps its parts apart, whoever made it: which images of one part another part has already seen.

Covered: exact copies, verified near-copies, turned and mirrored ones when asked; shared groups, pairs, and whatever
sessions, cameras, folders or part ids the config names; each image is counted once, by its plainest evidence. Not
covered: copies that `copies` does not find; one part from another side, unless its id is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from data_checks.copies import Copies, find_copies
from inspection.config import SplitConfig
from inspection.data.fingerprints import SYMMETRIES
from inspection.data.grouping import named_keys
from inspection.data.index import ImageIndex
from inspection.data.own_split import check_names, own_split
from inspection.errors import CheckFailed
from inspection.records import Record

PAIRS = (("train", "test"), ("train", "val"), ("val", "test"))
"""What has been seen, and what is judged with it."""
EXAMPLES = 24
"""Leaking images kept for each pair of splits."""
NAMED = 3
"""Leaking images that a message names before it counts."""
COPIED = ("exact", "near", "turned")
"""Causes that pixels prove, the plainest first; the others are names of what is shared."""


@dataclass(frozen=True)
class LeakedImage(Record):
    """An image, what another split has of it, and how that is known.

    `cause`: exact, near, turned, or what both share (session, part, pair, group …). `symmetry`: how the second of the
    two, in order of path, had to be turned. `sentence`: the verdict for people.
    """

    path: str
    seen_path: str
    cause: str
    symmetry: str
    sentence: str

    @property
    def named(self) -> str:
        """Both paths and the plain cause, for messages."""
        why = {
            "exact": f"equal to {self.seen_path}",
            "near": f"a near-copy of {self.seen_path}",
            "turned": f"{self.seen_path}, {self.symmetry}",
        }
        return f"{self.path} ({why.get(self.cause, f'same {self.cause} as {self.seen_path}')})"


@dataclass(frozen=True)
class SplitLeaks(Record):
    """How many of the `images` in split `judged` have something of themselves in split `seen`.

    `causes` counts the leaking ones by plainest cause; `examples` shows some, in order of path.
    """

    seen: str
    judged: str
    images: int
    leaking: int
    causes: dict[str, int]
    examples: tuple[LeakedImage, ...]

    @property
    def rate(self) -> float:
        """Share of the judged images that leak, 0 to 1."""
        return self.leaking / max(1, self.images)

    @property
    def sentence(self) -> str:
        """The rate in one line."""
        why = ", ".join(f"{count} {cause}" for cause, count in self.causes.items())
        told = f" [{why}]" if why else ""
        return f"{self.leaking} of {self.images} {self.judged} images ({self.rate:.1%}) are in {self.seen}{told}"


@dataclass(frozen=True)
class SplitAudit(Record):
    """What leaks between every two splits; `symmetries`: whether turned copies were looked for."""

    images: int
    symmetries: bool
    pairs: tuple[SplitLeaks, ...]

    @property
    def rate(self) -> float:
        """The worst of the rates, 0 to 1."""
        return max(pair.rate for pair in self.pairs)

    @property
    def sentence(self) -> str:
        """All rates in one line."""
        turned = "" if self.symmetries else " (turned copies were not looked for)"
        return f"{'; '.join(pair.sentence for pair in self.pairs)}{turned}"

    def require(self, max_rate: float) -> None:
        """Raise `CheckFailed`, which names the images and how to regroup, when any rate is above the limit."""
        refused = [pair for pair in self.pairs if pair.rate > max_rate]
        if refused:
            raise CheckFailed(_refusal(refused, max_rate))


def audit_split(
    index: ImageIndex, config: SplitConfig | None = None, *, max_megapixels: float = 100.0
) -> SplitAudit:
    """Leaks of the split in `index`, or, where it has none, of the one that its folders tell (train, val, test).

    From `config`: `symmetries`, `keep_together`, `part_pattern`. DataError when there is no split at all.
    """
    config = config or SplitConfig()
    if index.frame["split"].isna().all():
        index = own_split(index)
    check_names(index.frame["split"])
    placed = index.where(index.frame["split"].notna() & index.frame["quarantine"].isna())
    copies = find_copies(
        placed, symmetries=config.symmetries, across_splits=True, max_megapixels=max_megapixels
    )
    homes = dict(zip(placed.frame["path"], placed.frame["split"], strict=True))
    shared = _shared(placed, config)
    best = _plainest([*_copied(copies, homes), *shared], homes)
    found = tuple(_leaks(seen, judged, homes, best) for seen, judged in PAIRS)
    return SplitAudit(images=len(placed), symmetries=config.symmetries, pairs=found)


def check_kept(index: ImageIndex, config: SplitConfig) -> None:
    """Refuse a split that the data came with when it leaks; nothing is asked of one that was made here."""
    if config.keep:
        audit_split(index, config).require(config.max_leak_rate)


def _copied(copies: Copies, homes: Mapping[str, str]) -> Iterator[LeakedImage]:
    """Every image with a copy in another split; one copy per split is enough."""
    members = {paths[0]: paths for paths in copies.equal}
    for paths in copies.equal:
        for path, seen in _across(paths, paths, homes):
            yield LeakedImage(path, seen, "exact", SYMMETRIES[0], "equal pixels")
    for pair in copies.judged:
        turn = pair.evidence.symmetry
        cause = "near" if turn == SYMMETRIES[0] else "turned"
        first, second = members[pair.first], members[pair.second]
        both = [*_across(first, second, homes), *_across(second, first, homes)]
        for path, seen in both:
            yield LeakedImage(path, seen, cause, turn, pair.sentence)


def _shared(placed: ImageIndex, config: SplitConfig) -> list[LeakedImage]:
    """Images with a session, part, pair … that another split has too; what the config names comes first."""
    frame = placed.frame
    homes = dict(zip(frame["path"], frame["split"], strict=True))
    columns = [("pair", list(frame["pair_id"])), ("group", list(frame["group"]))]
    found = []
    for name, keys in [*named_keys(placed, config), *columns]:
        members: dict[str, list[str]] = {}
        for path, key in zip(frame["path"], keys, strict=True):
            if isinstance(key, str):
                members.setdefault(key, []).append(str(path))
        for key, paths in members.items():
            for path, seen in _across(paths, paths, homes):
                told = f"both are of {name} '{key}'"
                found.append(LeakedImage(path, seen, name, SYMMETRIES[0], told))
    return found


def _across(
    paths: Iterable[str], others: Iterable[str], homes: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Each path with the first of the others in every split but its own."""
    first: dict[str, str] = {}
    for other in sorted(others):
        first.setdefault(homes[other], other)
    if len(first) == 1 and all(homes[path] in first for path in paths):
        return
    for path in paths:
        yield from ((path, seen) for home, seen in first.items() if home != homes[path])


def _plainest(
    found: Sequence[LeakedImage], homes: Mapping[str, str]
) -> dict[tuple[str, str], LeakedImage]:
    """The plainest evidence for each image and each split that has seen it."""
    best: dict[tuple[str, str], LeakedImage] = {}
    for one in sorted(found, key=_plainness):
        best.setdefault((one.path, homes[one.seen_path]), one)
    return best


def _plainness(one: LeakedImage) -> tuple[int, str]:
    # A stable sort leaves what is shared in the order in which it was asked.
    rank = COPIED.index(one.cause) if one.cause in COPIED else len(COPIED)
    return rank, one.seen_path if rank < len(COPIED) else ""


def _leaks(
    seen: str,
    judged: str,
    homes: Mapping[str, str],
    best: Mapping[tuple[str, str], LeakedImage],
) -> SplitLeaks:
    paths = sorted(path for path, home in homes.items() if home == judged)
    found = [best[path, seen] for path in paths if (path, seen) in best]
    causes = Counter(one.cause for one in found)
    return SplitLeaks(
        seen=seen,
        judged=judged,
        images=len(paths),
        leaking=len(found),
        causes=dict(sorted(causes.items())),
        examples=tuple(found[:EXAMPLES]),
    )


def _refusal(refused: Sequence[SplitLeaks], max_rate: float) -> str:
    """Which images leak, whether they are turned, and how to regroup."""
    worst = max(refused, key=lambda pair: pair.rate)
    others = [pair.sentence for pair in refused if pair is not worst]
    more = worst.leaking - NAMED
    named = ", ".join(one.named for one in worst.examples[:NAMED])
    counted = f" and {more} more" if more > 0 else ""
    also = f"; also {'; '.join(others)}" if others else ""
    return (
        f"the split leaks: {worst.sentence}, allowed at most {max_rate:.1%}: {named}{counted}{also}; "
        f"{_remedy(refused)}"
    )


def _remedy(refused: Sequence[SplitLeaks]) -> str:
    """The commands and settings that regroup what leaks by these causes."""
    causes = {cause for pair in refused for cause in pair.causes}
    turned = sum(pair.causes.get("turned", 0) for pair in refused)
    said = f"{turned} of them are turned or mirrored copies; " if turned else ""
    dedupe = f"`plumbline data dedupe{' --symmetries' if turned else ''}`, apply its plan, and run "
    columns = [name for name in ("session", "camera", "line", "folder") if name in causes]
    settings = [
        "split.keep=false",
        "split.symmetries=true" if turned else "",
        f"split.keep_together=[{','.join(columns)}]" if columns else "",
        "split.part_pattern as given" if "part" in causes else "",
    ]
    wanted = ", ".join(filter(None, settings))
    command = dedupe if causes & {*COPIED, "group"} else ""
    return f"{said}to regroup, run {command}`plumbline data split`; in a config, set {wanted}"
