"""Boxes, regions and masks of each class in their shares, without touching what images and groups have been promised.

Groups that hold equally many images of each class are exchangeable: which of them are in the part changes no class's
share, nor how many groups hold it. Each is placed in turn, the rich ones first, where it leaves the least imbalance.

Covered: the same groups give the same answer in any order and process (sums are exact before they are rounded: else the
order of a set would decide near ties); where nothing is annotated, nothing is exchanged; the answer is never less even
than what was given. Not covered: groups that have no equal, as sessions of many lengths; the last
few boxes, which an exhaustive search would place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import fsum

from inspection.data.split_groups import Group, Thing

Signature = tuple[tuple[str, int], ...]
SWEEPS = 4
"""Rounds of exchanges after everything has been placed."""
PARTNERS = 64
"""Groups that each is held against in a sweep."""


def balanced(
    part: Sequence[Group], rest: Sequence[Group], share: float
) -> tuple[list[Group], list[Group]]:
    """The part and the rest, equally many groups of each kind in both, with what is annotated spread by `share`."""
    total = _sum([*part, *rest])
    if not total:
        return list(part), list(rest)
    before = _excess(part, total, share)
    chosen = {group.name for group in _placed(part, rest, share, total)}
    everything = sorted([*part, *rest], key=lambda group: (group.key, group.name))
    new = [group for group in everything if group.name in chosen]
    others = [group for group in everything if group.name not in chosen]
    new, others = _swapped(new, others, share, total)
    if _cost(_excess(new, total, share), total) > _cost(before, total):
        return list(part), list(rest)
    return new, others


def _placed(
    part: Sequence[Group], rest: Sequence[Group], share: float, total: Counter[Thing]
) -> list[Group]:
    """Groups for the part, one by one; each kind has as many places as before."""
    places = Counter(_signature(group) for group in part)
    waiting = places + Counter(_signature(group) for group in rest)
    over: dict[Thing, float] = dict.fromkeys(total, 0.0)
    chosen = []
    for group in sorted([*part, *rest], key=_rich_first):
        kind = _signature(group)
        inside, outside = (
            fsum(((over[t] + w * n) / total[t]) ** 2 for t, n in group.things.items())
            for w in (1 - share, -share)
        )
        # A kind without things, or with a tie, fills its places as the keys have it.
        takes = places[kind] > 0 and (inside <= outside or places[kind] == waiting[kind])
        waiting[kind] -= 1
        if takes:
            places[kind] -= 1
            chosen.append(group)
        for thing, count in group.things.items():
            over[thing] += count * ((1 - share) if takes else -share)
    return chosen


def _swapped(
    part: list[Group], rest: list[Group], share: float, total: Counter[Thing]
) -> tuple[list[Group], list[Group]]:
    """Exchange groups of one kind wherever that evens things out."""
    over = _excess(part, total, share)
    for _ in range(SWEEPS):
        moved = False
        partners: dict[Signature, list[int]] = {}
        for place, group in enumerate(rest):
            partners.setdefault(_signature(group), []).append(place)
        for place, group in enumerate(part):
            found = _best(group, rest, partners.get(_signature(group), [])[:PARTNERS], over, total)
            if found is not None:
                _shift(over, group, rest[found])
                part[place], rest[found] = rest[found], group
                moved = True
        if not moved:
            break
    return part, rest


def _best(
    group: Group,
    rest: Sequence[Group],
    places: Iterable[int],
    over: dict[Thing, float],
    total: Counter[Thing],
) -> int | None:
    """The place in `rest` whose group would serve the part better; None when there is none."""
    best, least = None, -1e-12
    for place in places:
        gain = _gain(group.things, rest[place].things, over, total)
        if gain < least:
            best, least = place, gain
    return best


def _gain(
    gone: Counter[Thing], come: Counter[Thing], over: dict[Thing, float], total: Counter[Thing]
) -> float:
    """What exchanging them changes in `_cost`."""
    changes = ((thing, come[thing] - gone[thing]) for thing in gone.keys() | come.keys())
    return fsum(
        change * (2 * over[thing] + change) / total[thing] ** 2 for thing, change in changes
    )


def _shift(over: dict[Thing, float], gone: Group, come: Group) -> None:
    for thing, count in come.things.items():
        over[thing] += count
    for thing, count in gone.things.items():
        over[thing] -= count


def _rich_first(group: Group) -> tuple[int, str, str]:
    """Rich groups first, but only roughly: among the alike the seed decides."""
    return -group.things.total().bit_length(), group.key, group.name


def _signature(group: Group) -> Signature:
    return tuple(sorted(group.counts.items()))


def _sum(groups: Iterable[Group]) -> Counter[Thing]:
    found: Counter[Thing] = Counter()
    for group in groups:
        found.update(group.things)
    return found


def _excess(part: Iterable[Group], total: Counter[Thing], share: float) -> dict[Thing, float]:
    """How many of each thing the part has above its share."""
    held = _sum(part)
    return {thing: held[thing] - share * count for thing, count in total.items()}


def _cost(over: dict[Thing, float], total: Counter[Thing]) -> float:
    return fsum((count / total[thing]) ** 2 for thing, count in over.items())
