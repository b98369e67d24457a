"""Ledgers on SQLite and on a real server, edited, cut and deleted there, begun late, and raced for by processes."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.registry import aliases, ledger_server
from deploy.registry.aliases import Hand, stand, swap
from deploy.registry.ledger_server import ENTRY, HASH, copy_path, ledger_name
from deploy.registry.moving import adopt
from deploy.registry.tracking import RegistryError
from inspection.errors import Refused
from tests.registry_sites import WHY, Site, crown, empty_database, server_url, site

__all__ = ["empty_database", "server_url", "site"]
pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]


def test_ledger__edited_on_the_server_is_named_and_stops_moves_until_adopted(site: Site) -> None:
    first, second = site.enlisted(2)
    crown(site, first)
    model = ledger_name(site.name)
    text = site.client.get_model_version(model, "3").tags[ENTRY]
    site.client.set_model_version_tag(model, "3", ENTRY, text.replace("ann@line", "eve@line"))
    standing = site.standing()
    assert [f.sentence for f in standing.ledger.findings] == [
        'entry 3 was edited on the server: who was "ann@line", is "eve@line"'
    ]
    assert standing.holders["champion"] == first
    with pytest.raises(Refused, match="entry 3 was edited on the server") as said:
        crown(site, second)
    assert "promote with --adopt" in str(said.value)
    if site.kind != "sqlite":  # a home that never saw the entry can but say that it is not sound
        assert [f.name for f in stand(site.other, site.name).ledger.findings] == ["edited:3"]
    adopt(site.store, site.name, Hand("seen, and reported"))
    crown(site, second)
    ledger = site.standing().ledger
    assert ([f.name for f in ledger.findings], ledger.unknown) == (["edited:3"], [])
    assert ledger.head.entry.after["champion"] == second


def test_ledger__an_entry_deleted_on_the_server_is_named_and_kept_here(site: Site) -> None:
    first, second = site.enlisted(2)
    crown(site, first)
    site.client.delete_model_version(ledger_name(site.name), "3")
    standing = site.standing()
    (finding,) = standing.ledger.findings
    assert "entry 3 is gone from the server; this machine's copy says: " in finding.sentence
    assert "champion nobody -> 1 (it is better)" in finding.sentence
    assert standing.holders["champion"] == first
    with pytest.raises(Refused, match="entry 3 is gone"):
        crown(site, second)


def test_ledger__moves_ask_for_the_latest_and_history_for_the_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_server, "LATEST", 2)
    first, *_ = site.enlisted(4)
    model = ledger_name(site.name)
    text = site.client.get_model_version(model, "1").tags[ENTRY]
    site.client.set_model_version_tag(model, "1", ENTRY, text.replace("registered", "smuggled"))
    assert crown(site, first) == 5  # the latest are sound, and of the first this machine has a copy
    assert site.standing().ledger.findings == []
    (finding,) = stand(site.store, site.name, whole=True).ledger.findings
    assert finding.sentence == (
        'entry 1 was edited on the server: reason was "registered", is "smuggled"'
    )
    if site.kind != "sqlite":  # a home that has no copy reads everything
        assert "edited:1" in [f.name for f in stand(site.other, site.name).ledger.findings]
    # As does one whose copy is older than a page.
    path = copy_path(site.store, site.name)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1]))
    assert len(site.standing().ledger.links) == 5
    assert path.read_bytes().count(b"\n") == 5


def test_ledger__gone_as_a_whole_is_written_again_from_the_copy(site: Site) -> None:
    first, second = site.enlisted(2)
    crown(site, first)
    before = [(link.number, link.hash) for link in site.standing().ledger.links]
    site.client.delete_registered_model(ledger_name(site.name))
    with pytest.raises(
        Refused, match="the ledger is gone from the server; this machine's copy has 3"
    ):
        crown(site, second)
    adopt(site.store, site.name, Hand("written again"))
    ledger = site.standing().ledger
    assert [(link.number, link.hash) for link in ledger.links][:3] == before
    assert ledger.findings == []
    crown(site, second)
    assert site.aliases == {"challenger": 2, "champion": 2}


@pytest.mark.parametrize("numbers", [(3,), (2, 3)])
def test_ledger__newest_entries_deleted_in_the_database_are_adopted_at_the_first_try(
    site: Site, numbers: tuple[int, ...]
) -> None:
    """Their numbers are given out again: a new entry would lie where the copy has another."""
    if site.kind != "sqlite":
        pytest.skip("by SQL on the store's own file")
    first, second = site.enlisted(2)
    crown(site, first)
    before = [(link.number, link.hash) for link in site.standing().ledger.links]
    with contextlib.closing(sqlite3.connect(site.store.mlflow_database)) as database, database:
        for table, number in itertools.product(("model_version_tags", "model_versions"), numbers):
            database.execute(
                f"delete from {table} where name = ? and version = ?",
                (ledger_name(site.name), number),
            )
    with pytest.raises(Refused, match=f"entry {numbers[0]} is gone from the server"):
        crown(site, second)
    found = adopt(site.store, site.name, Hand("seen")).entry.evidence["found"]
    assert f"entry {numbers[0]} is gone from the server; this machine's copy says: " in found
    ledger = site.standing().ledger
    assert [(link.number, link.hash) for link in ledger.links][:3] == before
    assert (len(ledger.links), ledger.findings, ledger.void) == (4, [], [])
    assert crown(site, second) == 5


def test_ledger__a_newest_entry_deleted_by_a_client_is_written_again_for_every_machine(
    site: Site,
) -> None:
    first, second = site.enlisted(2)
    crown(site, first)
    site.client.delete_model_version(ledger_name(site.name), "3")
    adopt(site.store, site.name, Hand("seen"))
    crown(site, second)
    if site.kind != "sqlite":  # a home that never saw it has the whole chain all the same
        crown(dataclasses.replace(site, store=site.other), first)
        ledger = stand(site.other, site.name, whole=True).ledger
        assert [f.name for f in ledger.findings] == ["gone:3"]
        assert len(ledger.links) == 6


def test_ledger__another_entry_in_the_place_of_one_is_told_in_a_sentence(site: Site) -> None:
    """Two histories of one registry: a backup was put back, and somebody went on from there."""
    first, second = site.enlisted(2)
    ours = site.standing()
    crown(site, first)
    entry = aliases._entry(
        ours, {"champion": second}, Hand("after the backup", "eve@line"), "promote"
    )
    tags = {ENTRY: entry.text, HASH: hashlib.sha256(entry.text.encode()).hexdigest()}
    for key, value in tags.items():
        site.client.set_model_version_tag(ledger_name(site.name), "3", key, value)
    (finding,) = stand(site.store, site.name, whole=True).ledger.findings
    assert finding.sentence.startswith(
        "entry 3 was replaced on the server: another entry stands in its place, "
    )
    assert "eve@line: promote: challenger 2 -> nobody, champion nobody -> 2" in finding.sentence
    assert "(after the backup); this machine's copy says: " in finding.sentence
    assert entry.nonce not in finding.sentence
    adopt(site.store, site.name, Hand("seen"))
    crown(site, second)


def test_ledger__edited_in_this_machines_copy_is_named(site: Site) -> None:
    first, second = site.enlisted(2)
    crown(site, first, Hand("honest"))
    path = copy_path(site.store, site.name)
    path.write_bytes(path.read_bytes().replace(b"honest", b"forged"))
    (finding,) = site.standing().ledger.findings
    assert finding.sentence == "entry 3 was edited in this machine's copy"
    assert site.standing().ledger.head.entry.reason == "honest"
    with pytest.raises(Refused, match="was edited in this machine's copy"):
        crown(site, second)
    path.unlink()
    crown(site, second)


def test_ledger__begins_with_the_aliases_of_an_older_registry(site: Site) -> None:
    first, second = site.versions(2)
    site.client.set_registered_model_alias(site.name, "champion", "1")
    standing = site.standing()
    assert (standing.version("champion"), standing.strays) == (1, {})
    crown(site, second)
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
    crown(site, first, Hand("a", now=lambda: late))
    crown(site, second, Hand("b", now=lambda: late - timedelta(days=3)))
    assert site.aliases == {"champion": 2}
    times = [link.entry.time[:10] for link in site.standing().ledger.links]
    assert times == ["2026-05-01", "2026-04-28"]
    assert site.standing().ledger.findings == []


def test_ledger__versions_carry_entry_and_hash_and_no_digest(site: Site) -> None:
    """They are not taken for models."""
    crown(site, site.versions(1)[0])
    tags = site.client.get_model_version(ledger_name(site.name), "1").tags
    assert {ENTRY, HASH} < tags.keys()
    assert "digest" not in tags


def test_ledger__a_server_that_does_not_show_what_it_took_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (holder,) = site.versions(1)
    seen = site.standing()
    monkeypatch.setattr(ledger_server, "_rows", lambda *_: ([], 1))
    monkeypatch.setattr(ledger_server, "PATIENCE", 0.0)
    with pytest.raises(
        RegistryError, match=r"entry 1 of the ledger of .* was written but the server"
    ):
        swap(site.store, seen, {"champion": holder}, WHY, "promote")


RACER = """
import sys
from pathlib import Path
from deploy.registry.aliases import Hand, stand
from deploy.registry.ledger import Holder
from deploy.registry.moving import Overtaken, move
from inspection.store import Store
store, name = Store(Path(sys.argv[1])), sys.argv[2]
for line in sys.stdin:
    holder = Holder(int(line), f"{int(line):064x}")
    seen = stand(store, name)
    print("seen", flush=True)
    sys.stdin.readline()
    try:
        move(store, seen, "champion", lambda now: {**now, "champion": holder}, Hand("race"), "promote")
        print("won", flush=True)
    except Overtaken as error:
        print(error, flush=True)
"""


@pytest.mark.slow
def test_move__two_processes_at_once_one_wins(site: Site) -> None:
    site.versions(6)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(home.root), site.name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for home in (site.store, site.other)
    ]

    def say(lines: list[str]) -> list[str]:
        for racer, line in zip(racers, lines, strict=True):
            racer.stdin.write(f"{line}\n")
            racer.stdin.flush()
        return [racer.stdout.readline().strip() for racer in racers]

    for first in (1, 3, 5):
        assert say([str(first), str(first + 1)]) == ["seen", "seen"]
        winner, loser = sorted(say(["go", "go"]), reverse=True)
        assert winner == "won"
        assert "was moved meanwhile: entry" in loser
    for racer in racers:
        racer.communicate(timeout=60)
    standing = site.standing()
    assert (len(standing.ledger.links), standing.strays) == (3, {})
