"""Aliases are moved, raced for, left half-moved and moved behind Plumbline's back, on SQLite and on a real server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from deploy.registry import aliases
from deploy.registry.aliases import Hand, stand, swap
from deploy.registry.ledger import Holder
from deploy.registry.ledger_server import ENTRY, HASH, copy_path, ledger_name
from deploy.registry.moving import Overtaken, adopt, enlist, move, ready
from inspection.errors import Refused, UserError
from tests.registry_sites import Site, empty_database, server_url, site

__all__ = ["empty_database", "server_url", "site"]
pytestmark = pytest.mark.process

WHY = Hand("it is better", who="ann@line")


def promote(at: Site, holder: Holder, hand: Hand = WHY, seen: object = None) -> int | None:
    """The champion's alias alone; the entry's number."""
    before = seen or ready(at.store, at.name, hand)
    wanted = lambda now: {**now, "champion": holder}  # noqa: E731
    link = move(at.store, before, "champion", wanted, hand, "promote")[1]
    return link.number if link else None


def test_move__is_in_the_ledger_and_a_plain_client_sees_it(site: Site) -> None:
    first, second = site.enlisted(2)
    assert site.aliases == {"challenger": second.version}
    assert promote(site, first) == 3
    assert promote(site, first) is None
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
    promote(site, first)
    theirs, ours = stand(site.other, site.name), stand(site.store, site.name)
    promote(site, second, seen=ours)
    with pytest.raises(
        Overtaken, match=r"the champion of 'line_[0-9_]+' was moved meanwhile: entry 5, "
    ) as said:
        promote(site, third, Hand("no, this"), theirs)
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
    promote(site, first)
    seen = site.standing()
    enlist(site.other, site.name, first, Hand("another run"))
    promote(site, second, seen=seen)
    assert site.aliases == {"challenger": first.version, "champion": second.version}
    assert third.version not in site.aliases.values()


@pytest.mark.parametrize("calls", [0, 1])
def test_move__killed_before_or_between_its_aliases_is_finished_by_the_next_reader(
    site: Site, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = site.enlisted(2)
    promote(site, first)
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
    promote(site, first)
    whole = aliases._set

    def slept(client: object, name: str, after: dict[str, Holder]) -> None:
        monkeypatch.setattr(aliases, "_set", whole)
        promote(site, third, Hand("while it slept"))
        for alias, holder in after.items():  # what it had looked at before is not so any more
            site.client.set_registered_model_alias(name, alias, str(holder.version))

    monkeypatch.setattr(aliases, "_set", slept)
    promote(site, second)
    assert site.aliases["champion"] == third.version
    assert site.standing().strays == {}


def test_move__an_alias_that_a_plain_client_moved_is_refused_until_somebody_decides(
    site: Site,
) -> None:
    first, second, third = site.enlisted(3)
    promote(site, second)
    site.client.set_registered_model_alias(site.name, "champion", "1")
    standing = stand(site.other, site.name)
    assert standing.strays == {"champion": 1}
    with pytest.raises(
        Refused, match="stands at version 1, the ledger says version 2: it was moved outside"
    ):
        promote(site, third)
    with pytest.raises(
        Refused, match=f"put it back with 'plumbline promote {site.name} 2 --to champion'"
    ):
        enlist(site.store, site.name, first, WHY)
    assert site.aliases["champion"] == 1
    # Put back ...
    promote(site, second, Hand("it was a mistake"))
    assert site.aliases["champion"] == 2
    assert site.standing().ledger.head.entry.kind == "restore"
    # ... or kept.
    site.client.set_registered_model_alias(site.name, "champion", "1")
    site.client.delete_registered_model_alias(site.name, "challenger")
    assert adopt(site.store, site.name, Hand("the night shift did it")).entry.kind == "adopt"
    standing = site.standing()
    assert (standing.holders, standing.strays) == ({"champion": first}, {})
    assert "alias 'champion'" in standing.ledger.head.entry.evidence["found"]
    promote(site, third)
    assert adopt(site.store, site.name, WHY) is None


def test_move__to_a_version_that_was_deleted_is_told_as_a_stray(site: Site) -> None:
    first, _ = site.enlisted(2)
    promote(site, first)
    site.client.delete_model_version(site.name, str(first.version))
    assert site.standing().strays == {"champion": None}
    promote(site, first)  # as the ledger says: cannot be put back, and is still told
    assert site.standing().strays == {"champion": None}


def test_ledger__edited_on_the_server_is_named_and_stops_moves_until_adopted(site: Site) -> None:
    first, second = site.enlisted(2)
    promote(site, first)
    model = ledger_name(site.name)
    text = site.client.get_model_version(model, "3").tags[ENTRY]
    site.client.set_model_version_tag(model, "3", ENTRY, text.replace("ann@line", "eve@line"))
    standing = site.standing()
    assert [f.sentence for f in standing.ledger.findings] == [
        'entry 3 was edited on the server: who was "ann@line", is "eve@line"'
    ]
    assert standing.holders["champion"] == first
    with pytest.raises(Refused, match="entry 3 was edited on the server") as said:
        promote(site, second)
    assert "promote with --adopt" in str(said.value)
    if site.kind != "sqlite":  # a home that never saw the entry can but say that it is not sound
        assert [f.name for f in stand(site.other, site.name).ledger.findings] == ["edited:3"]
    adopt(site.store, site.name, Hand("seen, and reported"))
    promote(site, second)
    ledger = site.standing().ledger
    assert ([f.name for f in ledger.findings], ledger.unknown) == (["edited:3"], [])
    assert ledger.head.entry.after["champion"] == second


def test_ledger__an_entry_deleted_on_the_server_is_named_and_kept_here(site: Site) -> None:
    first, second = site.enlisted(2)
    promote(site, first)
    site.client.delete_model_version(ledger_name(site.name), "3")
    standing = site.standing()
    (finding,) = standing.ledger.findings
    assert "entry 3 is gone from the server; this machine's copy says: " in finding.sentence
    assert "champion nobody -> 1 (it is better)" in finding.sentence
    assert standing.holders["champion"] == first
    with pytest.raises(Refused, match="entry 3 is gone"):
        promote(site, second)


def test_ledger__gone_as_a_whole_is_written_again_from_the_copy(site: Site) -> None:
    first, second = site.enlisted(2)
    promote(site, first)
    before = [(link.number, link.hash) for link in site.standing().ledger.links]
    site.client.delete_registered_model(ledger_name(site.name))
    with pytest.raises(
        Refused, match="the ledger is gone from the server; this machine's copy has 3"
    ):
        promote(site, second)
    adopt(site.store, site.name, Hand("written again"))
    ledger = site.standing().ledger
    assert [(link.number, link.hash) for link in ledger.links][:3] == before
    assert ledger.findings == []
    promote(site, second)
    assert site.aliases == {"challenger": 2, "champion": 2}


def test_ledger__edited_in_this_machines_copy_is_named(site: Site) -> None:
    first, second = site.enlisted(2)
    promote(site, first, Hand("honest"))
    path = copy_path(site.store, site.name)
    path.write_bytes(path.read_bytes().replace(b"honest", b"forged"))
    (finding,) = site.standing().ledger.findings
    assert finding.sentence == "entry 3 was edited in this machine's copy"
    assert site.standing().ledger.head.entry.reason == "honest"
    with pytest.raises(Refused, match="was edited in this machine's copy"):
        promote(site, second)
    path.unlink()
    promote(site, second)


def test_ledger__begins_with_the_aliases_of_an_older_registry(site: Site) -> None:
    first, second = site.versions(2)
    site.client.set_registered_model_alias(site.name, "champion", "1")
    standing = site.standing()
    assert (standing.version("champion"), standing.strays) == (1, {})
    promote(site, second)
    begin, promotion = (link.entry for link in site.standing().ledger.links)
    assert (begin.kind, begin.after) == ("begin", {"champion": first})
    assert (promotion.before, promotion.after) == (begin.after, {"champion": second})


def test_ledger__looking_writes_nothing_on_the_server(site: Site) -> None:
    site.versions(1)
    site.standing()
    assert site.client.search_registered_models(f"name = '{ledger_name(site.name)}'") == []


def test_ledger__a_clock_that_goes_back_does_not_change_the_order(site: Site) -> None:
    first, second = site.versions(2)
    late = datetime(2026, 5, 1, tzinfo=UTC)
    promote(site, first, Hand("a", now=lambda: late))
    promote(site, second, Hand("b", now=lambda: late - timedelta(days=3)))
    assert site.aliases == {"champion": 2}
    times = [link.entry.time[:10] for link in site.standing().ledger.links]
    assert times == ["2026-05-01", "2026-04-28"]
    assert site.standing().ledger.findings == []


def test_ledger__versions_carry_entry_and_hash_and_no_digest(site: Site) -> None:
    """They are not taken for models."""
    promote(site, site.versions(1)[0])
    tags = site.client.get_model_version(ledger_name(site.name), "1").tags
    assert {ENTRY, HASH} < tags.keys()
    assert "digest" not in tags


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 2001])
def test_hand__a_reason_is_one_line(reason: str) -> None:
    with pytest.raises(UserError, match="the reason of a move must be one line"):
        Hand(reason)
