"""Whom rollbacks bring back, and `previous`, which always names the next of them; the second on a real registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.registry.aliases import Hand
from deploy.registry.ledger import Entry, Holder, Ledger, Link
from deploy.registry.moving import adopt
from deploy.registry.promotion import promote, roll_back
from deploy.registry.succession import champions, with_previous
from tests.registry_sites import WHY, Site, empty_database, server_url, site

__all__ = ["empty_database", "server_url", "site"]
pytestmark = pytest.mark.process


def held_by(*versions: tuple[str, int]) -> Ledger:
    """A ledger of (kind, champion)."""
    links = []
    for number, (kind, version) in enumerate(versions, start=1):
        after = {"champion": Holder(version, "")}
        entry = Entry(number, "", "", kind, "", {}, {}, after, "", "")  # type: ignore[arg-type]
        links.append(Link(number, str(number), entry))
    return Ledger(links=links)


@pytest.mark.parametrize(
    ("moves", "left"),
    [
        ([], []),
        ([("promote", 1)], [1]),
        ([("promote", 1), ("promote", 2), ("promote", 3)], [1, 2, 3]),
        ([("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 2)], [1, 2]),
        ([("promote", 1), ("promote", 2), ("rollback", 1), ("register", 1)], [1]),
        ([("promote", 1), ("promote", 2), ("rollback", 1), ("promote", 3)], [1, 3]),
        ([("promote", 1), ("promote", 2), ("promote", 1)], [1, 2, 1]),
        ([("promote", 1), ("adopt", 2), ("rollback", 1)], [1]),
        ([("rollback", 4)], [4]),
    ],
)
def test_champions__a_rollback_takes_away_what_a_promotion_put_on(
    moves: list[tuple[str, int]], left: list[int]
) -> None:
    assert [holder.version for holder in champions(held_by(*moves))] == left


@given(st.lists(st.tuples(st.sampled_from(["promote", "rollback", "adopt"]), st.integers(0, 4))))
def test_with_previous__is_whom_the_next_rollback_brings(steps: list[tuple[str, int]]) -> None:
    ledger = Ledger()
    for number, (kind, version) in enumerate(steps):
        reigned = champions(ledger)
        if kind == "rollback":
            if len(reigned) < 2:
                continue
            reigned, champion = reigned[:-1], reigned[-2]
        else:
            champion = Holder(version, "") if version else None  # 0: adopted while nobody was
        after = {**ledger.holders, "champion": champion}
        after = dict(with_previous({a: h for a, h in after.items() if h}, reigned))
        entry = Entry(number, "", "", kind, "", {}, {}, after, "", "")  # type: ignore[arg-type]
        ledger.links.append(Link(number, str(number), entry))
        assert [after.get("previous")] == (champions(ledger)[:-1][-1:] or [None])


def test_previous__follows_a_champion_that_was_moved_by_hand_and_adopted(
    site: Site, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        promote(site.store, site.name, site.registered(tmp_path, name=name).version, WHY)
    assert site.aliases == {"challenger": 2, "champion": 2, "previous": 1}
    site.client.set_registered_model_alias(site.name, "champion", "1")
    adopt(site.store, site.name, Hand("the night shift did it"))
    assert site.aliases == {"challenger": 2, "champion": 1, "previous": 2}
    assert site.standing().strays == {}
    assert roll_back(site.store, site.name, WHY).holder.version == 2
    assert site.aliases == {"challenger": 2, "champion": 2, "previous": 1}
