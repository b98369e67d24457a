"""Ledgers that were raced for, edited, cut and forged, on the server's side and in this machine's copy; no MLflow."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.edge.files import sha256_bytes
from deploy.registry.ledger import KNOWN, Entry, Holder, Ledger, Row, replay
from deploy.registry.ledger_file import add_to_copy, read_copy

START = datetime(2026, 3, 1, 8, tzinfo=UTC)


def written(number: int, entry: Entry, *, applied: bool = True) -> Row:
    return Row(number, entry.text, sha256_bytes(entry.text.encode()), applied)


def entry(after: Row | None, champion: int, **changes: object) -> Entry:
    """A promotion of version `champion`, built on the row `after`."""
    head = after.link if after else None
    sequence = head.entry.sequence + 1 if head else 1
    values = {
        "sequence": sequence,
        "time": START.replace(minute=sequence).isoformat(),
        "who": "ann@line",
        "kind": "promote",
        "reason": "it is better",
        "evidence": {},
        "before": dict(head.entry.after) if head else {},
        "after": {"champion": Holder(champion, f"{champion:064x}")},
        "previous": head.hash if head else "",
        "nonce": f"{champion}",
    }
    return Entry(**(values | changes))  # type: ignore[arg-type]


def chain(length: int) -> list[Row]:
    """Versions 1 to `length`, promoted one after the other."""
    rows: list[Row] = []
    for number in range(1, length + 1):
        rows.append(written(number, entry(rows[-1] if rows else None, number)))
    return rows


def champions(ledger: Ledger) -> list[int]:
    return [link.entry.after["champion"].version for link in ledger.links]


def names(ledger: Ledger) -> list[str]:
    return [finding.name for finding in ledger.findings]


def test_replay__whole_chain_counts_whatever_the_order_of_rows() -> None:
    rows = chain(4)
    ledger = replay(reversed(rows), rows[:2])
    assert champions(ledger) == [1, 2, 3, 4]
    assert (ledger.void, ledger.findings) == ([], [])
    assert ledger.holders == {"champion": Holder(4, f"{4:064x}")}


def test_replay__empty() -> None:
    ledger = replay([])
    assert (ledger.head, ledger.holders, ledger.findings) == (None, {}, [])


def test_replay__of_racers_the_first_number_counts() -> None:
    rows = chain(2)
    racers = [written(3 + i, entry(rows[1], 10 + i)) for i in range(3)]
    follows = written(6, entry(racers[0], 20))
    late = written(7, entry(rows[0], 30))
    ledger = replay([*rows, *racers, follows, late])
    assert champions(ledger) == [1, 2, 10, 20]
    assert [link.number for link in ledger.void] == [4, 5, 7]
    assert ledger.findings == []


def test_replay__the_same_entry_written_twice_counts_once() -> None:
    """A request sent again because its answer was lost."""
    rows = chain(2)
    again = dataclasses.replace(rows[1], number=3)
    ledger = replay([*rows, again, written(4, entry(rows[1], 4))])
    assert champions(ledger) == [1, 2, 4]
    assert [link.number for link in ledger.void] == [3]
    assert ledger.findings == []


def test_replay__whether_the_aliases_were_set_is_the_servers_word() -> None:
    rows = chain(2)
    pending = dataclasses.replace(rows[1], applied=False)
    assert not replay([rows[0], pending], rows).head.applied
    assert replay(rows, [rows[0], pending]).head.applied


def test_replay__an_edit_on_the_server_is_named_with_what_differs() -> None:
    rows = chain(3)
    edited = dataclasses.replace(rows[1], text=rows[1].text.replace("ann@line", "eve@line"))
    without = replay([rows[0], edited, rows[2]])
    assert names(without) == ["edited:2", "broken:3"]
    assert champions(without)[-1] == 3
    ledger = replay([rows[0], edited, rows[2]], rows)
    assert names(ledger) == ["edited:2"]
    assert ledger.findings[0].sentence == (
        'entry 2 was edited on the server: who was "ann@line", is "eve@line"'
    )
    assert champions(ledger) == [1, 2, 3]
    assert ledger.links[1].entry.who == "ann@line"


def test_replay__an_edit_that_also_mends_its_hash_breaks_the_chain() -> None:
    rows = chain(4)
    forged = written(2, dataclasses.replace(rows[1].link.entry, who="eve@line"))
    assert names(replay([rows[0], forged, *rows[2:]])) == ["broken:3"]
    ledger = replay([rows[0], forged, *rows[2:]], rows)
    assert names(ledger) == ["differs:2"]
    assert 'who was "ann@line", is "eve@line"' in ledger.findings[0].sentence
    assert (champions(ledger), ledger.links[1].entry.who) == ([1, 2, 3, 4], "ann@line")


def test_replay__a_forged_last_entry_is_seen_by_whoever_has_a_copy() -> None:
    rows = chain(3)
    forged = written(3, entry(rows[1], 99))
    assert names(replay([*rows[:2], forged])) == []
    ledger = replay([*rows[:2], forged], rows)
    assert (names(ledger), champions(ledger)) == (["differs:3"], [1, 2, 3])


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_replay__a_deleted_entry_is_named_and_comes_from_the_copy(gone: int) -> None:
    rows = chain(3)
    left = [row for row in rows if row.number != gone]
    ledger = replay(left, rows)
    assert (names(ledger), champions(ledger)) == ([f"gone:{gone}"], [1, 2, 3])
    assert "this machine's copy says: 2026-03-01T08:0" in ledger.findings[0].sentence
    without = replay(left)
    if gone < 3:
        assert names(without) == [f"gone:{gone}", f"broken:{gone + 1}"]
        assert champions(without)[-1] == 3
    else:  # a chain cut at its end looks whole: only a copy knows
        assert names(without) == []


def test_replay__a_deleted_winner_does_not_crown_the_loser() -> None:
    rows = chain(2)
    winner, loser = written(3, entry(rows[1], 10)), written(4, entry(rows[1], 11))
    follows = written(5, entry(winner, 12))
    with_copy = replay([*rows, loser, follows], [*rows, winner])
    assert (champions(with_copy), names(with_copy)) == ([1, 2, 10, 12], ["gone:3"])
    without = replay([*rows, loser, follows])
    assert (champions(without)[-1], names(without)) == (12, ["gone:3", "broken:5"])


def test_replay__a_ledger_that_is_gone_as_a_whole() -> None:
    ledger = replay([], chain(3))
    assert (names(ledger), champions(ledger)) == (["gone:all"], [1, 2, 3])
    assert "this machine's copy has 3 entries" in ledger.findings[0].sentence


def test_replay__edits_of_the_copy_are_named_and_do_not_count() -> None:
    rows = chain(3)
    edited = dataclasses.replace(rows[1], text=rows[1].text.replace("ann", "eve"))
    ledger = replay(rows, [rows[0], edited, rows[2]])
    assert (names(ledger), champions(ledger)) == (["copy:2"], [1, 2, 3])
    assert ledger.links[1].entry.who == "ann@line"
    assert names(replay(rows, [rows[0], rows[2]])) == ["copy:2"]
    assert names(replay(rows, rows[:2])) == []
    forged = written(2, dataclasses.replace(rows[1].link.entry, who="eve@line"))
    ledger = replay(rows, [rows[0], forged, rows[2]])
    assert (names(ledger), ledger.links[1].entry.who) == (["differs:2"], "ann@line")


def test_replay__before_since_the_copy_speaks() -> None:
    rows = chain(5)
    ledger = replay(rows[3:], rows[:4], since=4)
    assert (champions(ledger), ledger.findings) == ([1, 2, 3, 4, 5], [])
    assert names(replay(rows[4:], rows[:4], since=4)) == ["gone:4"]
    forged = written(4, entry(rows[2], 99))
    assert names(replay([forged, rows[4]], rows, since=4)) == ["differs:4"]


def test_replay__an_entry_slipped_in_from_nowhere() -> None:
    rows = chain(2)
    strange = dataclasses.replace(entry(rows[1], 66), previous="f" * 64)
    ledger = replay([*rows, written(3, strange)])
    assert names(ledger) == ["broken:3"]
    assert "ffffffffffff, which is no entry before it" in ledger.findings[0].sentence


def test_unknown__findings_with_which_somebody_chose_to_go_on() -> None:
    rows = [row for row in chain(3) if row.number != 1]
    assert names(replay(rows)) == ["gone:1", "broken:2"]
    accepts = entry(rows[-1], 3, kind="adopt", evidence={KNOWN: "gone:1 broken:2"})
    rows.append(written(4, accepts))
    ledger = replay(rows)
    assert (names(ledger), ledger.unknown) == (["gone:1", "broken:2"], [])
    later = replay(rows, [*rows[:1], written(3, entry(rows[0], 77)), *rows[2:]])
    assert [finding.name for finding in later.unknown] == ["differs:3"]


def test_link__of_a_later_version_with_more_fields_is_still_sound() -> None:
    text = json.dumps({**json.loads(chain(1)[0].text), "weather": "fine"})
    assert Row(1, text, sha256_bytes(text.encode())).link.entry.who == "ann@line"
    assert Row(1, "{}", sha256_bytes(b"{}")).link is None
    assert Row(1, "", "").link is None


def test_copy__gives_back_what_was_added_once(tmp_path: Path) -> None:
    path, rows = tmp_path / "ledgers" / "demo.jsonl", chain(3)
    assert read_copy(path) == []
    add_to_copy(path, rows[:2])
    first = path.read_bytes()
    add_to_copy(path, rows)
    add_to_copy(path, rows)
    assert read_copy(path) == [dataclasses.replace(row, applied=False) for row in rows]
    assert path.read_bytes().startswith(first)
    unsound = dataclasses.replace(written(4, entry(rows[2], 4)), hash="0" * 64)
    add_to_copy(path, [unsound])
    assert len(read_copy(path)) == 3


def test_copy__a_line_torn_by_a_kill_is_written_again(tmp_path: Path) -> None:
    path, rows = tmp_path / "demo.jsonl", chain(3)
    add_to_copy(path, rows)
    whole = path.read_bytes()
    for cut in range(len(whole) - 300, len(whole)):
        path.write_bytes(whole[:cut])
        assert len(read_copy(path)) == 2
        add_to_copy(path, rows)
        assert path.read_bytes() == whole


@pytest.mark.parametrize("line", [b"{}", b"nonsense", b"\xff\xfe", b'{"number": "x"}', b"[1]", b""])
def test_copy__a_line_that_cannot_be_read_is_an_edited_entry(tmp_path: Path, line: bytes) -> None:
    path, rows = tmp_path / "demo.jsonl", chain(3)
    add_to_copy(path, rows)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], line, *lines[2:]]))
    assert names(replay(rows, read_copy(path))) == ["copy:2"]
