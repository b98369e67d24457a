"""Aliases are moved, raced for, left half-moved and moved behind Plumbline's back, on SQLite and on a real server."""

from __future__ import annotations

import pytest
from mlflow.exceptions import BAD_REQUEST, MlflowException

from deploy.registry import aliases
from deploy.registry.aliases import Hand, stand, swap
from deploy.registry.ledger import Holder
from deploy.registry.ledger_server import copy_path, ledger_name
from deploy.registry.moving import Overtaken, adopt, enlist
from inspection.errors import Refused, UserError
from tests.registry_sites import WHY, Site, crown, empty_database, server_url, site

__all__ = ["empty_database", "server_url", "site"]
pytestmark = pytest.mark.process


def test_move__is_in_the_ledger_and_a_plain_client_sees_it(site: Site) -> None:
    first, second = site.enlisted(2)
    assert site.aliases == {"challenger": second.version}
    assert crown(site, first) == 3
    assert crown(site, first) is None
    assert site.aliases == {"challenger": 2, "champion": 1}
    standing = stand(site.other, site.name)
    assert standing.holders == {"challenger": second, "champion": first}
    last = standing.ledger.head.entry
    assert (last.sequence, last.kind, last.who, last.reason) == (
        3,
        "promote",
        "ann@line",
        "it is better",
    )
    assert (last.before, last.after) == ({"challenger": second}, standing.holders)
    assert [link.entry.previous for link in standing.ledger.links] == [
        "",
        *(link.hash for link in standing.ledger.links[:-1]),
    ]
    assert (standing.strays, standing.ledger.findings, standing.ledger.void) == ({}, [], [])
    assert copy_path(site.other, site.name).read_bytes().count(b"\n") == 3
    shown = site.client.get_model_version(ledger_name(site.name), "3")
    assert shown.description == "promote: champion nobody -> 1. By ann@line: it is better"


def test_move__of_two_who_saw_the_same_one_wins_and_the_other_says_who(site: Site) -> None:
    first, second, third = site.enlisted(3)
    crown(site, first)
    theirs, ours = stand(site.other, site.name), stand(site.store, site.name)
    crown(site, second, seen=ours)
    with pytest.raises(
        Overtaken, match=r"the champion of 'line_[0-9_]+' was moved meanwhile: entry 5, "
    ) as said:
        crown(site, third, Hand("no, this"), theirs)
    assert "ann@line: promote: champion 1 -> 2 (it is better); this moved nothing" in str(
        said.value
    )
    assert said.value.exit_code == 3
    assert site.aliases == {"challenger": 3, "champion": 2}
    ledger = site.standing().ledger
    assert [link.number for link in ledger.links] == [1, 2, 3, 4, 5]
    assert [link.entry.reason for link in ledger.void] == ["no, this"]
    assert ledger.findings == []


def test_move__goes_on_when_another_alias_moved_meanwhile(site: Site) -> None:
    first, second, third = site.enlisted(3)
    crown(site, first)
    seen = site.standing()
    enlist(site.other, site.name, first, Hand("another run"))
    crown(site, second, seen=seen)
    assert site.aliases == {"challenger": first.version, "champion": second.version}
    assert third.version not in site.aliases.values()


@pytest.mark.parametrize("calls", [0, 1])
def test_move__killed_before_or_between_its_aliases_is_finished_by_the_next_reader(
    site: Site, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = site.enlisted(2)
    crown(site, first)
    client = type(site.client)
    whole, left = client.set_registered_model_alias, [calls]

    def killed(self: object, *arguments: object) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        whole(self, *arguments)

    after = {"champion": second, "challenger": first, "previous": first}
    with monkeypatch.context() as patched:
        patched.setattr(client, "set_registered_model_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            swap(site.store, site.standing(), after, WHY, "promote")
    assert site.aliases == {"champion": 1 + calls, "challenger": 2}
    assert stand(site.other, site.name).strays == {}
    assert site.aliases == {"champion": 2, "challenger": 1, "previous": 1}
    assert len(site.standing().ledger.links) == 4


def test_move__one_that_slept_does_not_leave_its_alias_over_a_later_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wrote its entry, then slept while another moved on: its aliases are stale when it wakes."""
    first, second, third = site.enlisted(3)
    crown(site, first)
    whole = aliases._set

    def slept(client: object, name: str, after: dict[str, Holder]) -> None:
        monkeypatch.setattr(aliases, "_set", whole)
        crown(site, third, Hand("while it slept"))
        for alias, holder in after.items():  # what it had looked at before is not so any more
            site.client.set_registered_model_alias(name, alias, str(holder.version))

    monkeypatch.setattr(aliases, "_set", slept)
    crown(site, second)
    assert site.aliases["champion"] == third.version
    assert site.standing().strays == {}


@pytest.mark.parametrize("call", ["set_registered_model_alias", "set_model_version_tag"])
def test_move__two_who_set_the_same_at_once_do_not_fail(
    site: Site, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow looks for the row, then inserts it: of two at once, PostgreSQL stops one."""
    (first,) = site.enlisted(1)
    client, times = type(site.client), [2]
    whole = getattr(client, call)

    def collides(self: object, *arguments: object) -> None:
        if not times[0]:
            return whole(self, *arguments)
        times[0] -= 1
        raise MlflowException("duplicate key value", BAD_REQUEST)

    monkeypatch.setattr(client, call, collides)
    crown(site, first)
    assert (site.aliases, site.standing().strays) == ({"challenger": 1, "champion": 1}, {})
    assert site.standing().ledger.head.applied
    times[0] = 1000
    with pytest.raises(MlflowException, match="duplicate key"):
        crown(site, site.versions(1)[0])


def test_stand__a_move_between_its_two_looks_is_no_stray(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = site.enlisted(2)
    crown(site, first)
    whole = aliases._found

    def meanwhile(client: object, name: str) -> dict[str, int]:
        monkeypatch.setattr(aliases, "_found", whole)
        crown(site, second)
        return whole(client, name)

    monkeypatch.setattr(aliases, "_found", meanwhile)
    standing = site.standing()
    assert (standing.strays, standing.version("champion")) == ({}, second.version)


def test_move__an_alias_that_a_plain_client_moved_is_refused_until_somebody_decides(
    site: Site,
) -> None:
    first, second, third = site.enlisted(3)
    crown(site, second)
    site.client.set_registered_model_alias(site.name, "champion", "1")
    standing = stand(site.other, site.name)
    assert standing.strays == {"champion": 1}
    with pytest.raises(
        Refused, match="stands at version 1, the ledger says version 2: it was moved outside"
    ):
        crown(site, third)
    with pytest.raises(
        Refused,
        match=f"put it back with 'plumbline promote {site.name} 2 --to champion --reason TEXT'",
    ):
        enlist(site.store, site.name, first, WHY)
    assert site.aliases["champion"] == 1
    # Put back ...
    crown(site, second, Hand("it was a mistake"))
    assert site.aliases["champion"] == 2
    assert site.standing().ledger.head.entry.kind == "restore"
    # ... or kept.
    site.client.set_registered_model_alias(site.name, "champion", "1")
    site.client.delete_registered_model_alias(site.name, "challenger")
    assert adopt(site.store, site.name, Hand("the night shift did it")).entry.kind == "adopt"
    standing = site.standing()
    assert (standing.holders, standing.strays) == ({"champion": first, "previous": second}, {})
    assert "alias 'champion'" in standing.ledger.head.entry.evidence["found"]
    crown(site, third)
    assert adopt(site.store, site.name, WHY) is None


def test_move__to_a_version_that_was_deleted_is_told_as_a_stray(site: Site) -> None:
    first, _ = site.enlisted(2)
    crown(site, first)
    site.client.delete_model_version(site.name, str(first.version))
    assert site.standing().strays == {"champion": None}
    crown(site, first)  # as the ledger says: cannot be put back, and is still told
    assert site.standing().strays == {"champion": None}


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 2001])
def test_hand__a_reason_is_one_line(reason: str) -> None:
    with pytest.raises(UserError, match="the reason of a move must be one line"):
        Hand(reason)
