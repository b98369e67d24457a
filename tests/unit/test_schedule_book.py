"""The book: one claim for each due time, whoever asks, however often, and whatever the disk and the clock do."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from inspection.errors import UserError
from pipelines import database
from pipelines.schedule import book as book_module
from pipelines.schedule.book import MOST_ATTEMPTS, Book
from pipelines.schedule.cron import Due
from pipelines.schedule.plan import choose
from tests.unit.schedule_material import NOON, places_in, planned, statuses

HOUR = timedelta(hours=1)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return places_in(tmp_path).book


def claim_all(book: Book, now: Any) -> int:
    return sum(book.claim(entry, now) for entry in book.entries() if not entry.paused)


def test_a_due_time_is_claimed_once_and_a_new_schedule_has_no_past(book: Book) -> None:
    book.add(planned(), NOON)
    assert claim_all(book, NOON) == 0
    assert claim_all(book, NOON + HOUR) == 1
    assert claim_all(book, NOON + HOUR) == 0
    (firing,) = book.open_firings()
    assert (firing.due, firing.status, firing.attempt) == (NOON + HOUR, "claimed", 1)


def test_reading_makes_nothing(book: Book) -> None:
    assert book.entries() == []
    assert book.open_firings() == []
    assert not book.path.parent.exists()


def test_two_schedulers_with_the_same_view__one_claims(book: Book) -> None:
    book.add(planned(), NOON)
    (seen,) = book.entries()
    assert book.claim(seen, NOON + HOUR) == 1
    assert book.claim(seen, NOON + HOUR) == 0
    assert len(book.open_firings()) == 1


@pytest.mark.process
def test_three_processes_at_once__every_due_time_has_one_claim(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    places.book.add(planned(cron="* * * * *", missed="all", limit=1000), NOON)
    script = """
        import random
        import sys
        import time
        from datetime import datetime, timedelta
        from pathlib import Path
        from inspection.store import Store
        from pipelines.schedule.places import Places
        from tests.unit.schedule_material import NOON
        book = Places(Store(Path(sys.argv[1]))).book
        print("ready", flush=True)
        together = float(sys.stdin.readline())
        claimed = 0
        time.sleep(max(0.0, together - time.time()))
        for minute in range(1, 41):
            # Who waits for another's change comes too late for that minute: without pauses one would win them all.
            time.sleep(random.uniform(0.0, 0.05))
            claimed += sum(book.claim(e, NOON + timedelta(minutes=minute)) for e in book.entries())
        print(claimed)
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(places.store.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    counts, together = [], time.time() + 1.0
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{together}\n")
        process.stdin.flush()
    for process in processes:
        counts.append(int(process.communicate(timeout=120)[0]))
    dues = [firing.due for firing in places.book.history(1000)]
    assert sum(counts) == len(dues) == len(set(dues)) == 40
    assert sum(count > 0 for count in counts) > 1, "they never met"


@pytest.mark.parametrize(
    ("policy", "fired", "skipped"),
    [
        ({"missed": "one"}, 1, 4),
        ({"missed": "all"}, 5, 0),
        ({"missed": "all", "limit": 2}, 2, 3),
        ({"missed": "skip"}, 1, 4),
        ({"missed": "skip", "grace": "2h"}, 2, 3),
    ],
)
def test_missed_times__by_policy_and_all_accounted_for(
    book: Book, policy: dict[str, Any], fired: int, skipped: int
) -> None:
    book.add(planned(**policy), NOON)
    assert claim_all(book, NOON + 5 * HOUR + timedelta(minutes=2)) == 5
    firings = book.history(10)
    assert [f.due for f in firings if f.status == "claimed"] == [
        NOON + HOUR * (6 - number) for number in range(fired, 0, -1)
    ]
    assert sum(f.times for f in firings if f.status == "skipped") == skipped
    assert all(
        "missed from 2026-06-01 13:00" in f.sentence for f in firings if f.status == "skipped"
    )


def test_what_waits_for_its_lock__is_given_up_by_the_same_policy(book: Book) -> None:
    book.add(planned(), NOON)
    for hours in (1, 2, 3):
        claim_all(book, NOON + hours * HOUR)
    assert statuses(book) == ["skipped", "skipped", "claimed"]
    assert "waited for the lock 'default'" in book.history(3)[0].sentence


def test_choose__keeps_order_and_never_drops_in_silence() -> None:
    dues = [Due(NOON + HOUR * n) for n in range(4)]
    for missed in ("one", "all", "skip"):
        chosen = choose(planned(missed=missed), dues, NOON + 4 * HOUR)
        assert [*chosen.skip, *chosen.fire] == dues


def test_one_keeper_begins_a_claim(book: Book) -> None:
    book.add(planned(), NOON)
    claim_all(book, NOON + HOUR)
    (firing,) = book.open_firings()
    assert book.begin(firing.id, NOON)
    assert not book.begin(firing.id, NOON)
    assert book.finish(firing, "done", "", NOON, 0)
    assert not book.finish(firing, "killed", "", NOON, None)
    assert statuses(book) == ["done"]


def test_killed__is_run_again_a_few_times_where_that_is_asked_for(book: Book) -> None:
    book.add(planned("again", on_kill="retry"), NOON)
    book.add(planned("once"), NOON)
    claim_all(book, NOON + HOUR)
    while waiting := book.open_firings():
        for firing in waiting:
            book.begin(firing.id, NOON)
            book.finish(firing, "killed", "", None, None)
    assert statuses(book, "again") == ["killed"] * MOST_ATTEMPTS
    assert statuses(book, "once") == ["killed"]


def test_a_clock_put_back__claims_nothing_twice(book: Book) -> None:
    book.add(planned(missed="all"), NOON)
    assert claim_all(book, NOON + 3 * HOUR) == 3
    assert claim_all(book, NOON + HOUR) == 0
    book.resume("line", NOON)  # the way out when the clock had been years ahead
    claim_all(book, NOON + 4 * HOUR)
    assert [firing.due for firing in book.history(10)] == [NOON + HOUR * n for n in (1, 2, 3, 4)]


def test_paused__nothing_is_due_and_nothing_is_caught_up(book: Book) -> None:
    book.add(planned(missed="all"), NOON)
    (before,) = book.entries()
    book.pause("line")
    assert book.claim(before, NOON + 2 * HOUR) == 0  # a scheduler that had looked before
    book.resume("line", NOON + 2 * HOUR)
    assert claim_all(book, NOON + 3 * HOUR) == 1


def test_removed__nothing_of_it_waits_and_its_record_stays(book: Book) -> None:
    book.add(planned(), NOON)
    claim_all(book, NOON + HOUR)
    (before,) = book.entries()
    book.remove("line")
    assert book.claim(before, NOON + 2 * HOUR) == 0
    assert statuses(book) == ["skipped"]
    assert book.open_firings() == []
    book.add(planned(), NOON + HOUR)


def test_names__taken_and_unknown(book: Book) -> None:
    with pytest.raises(UserError, match="no schedule 'line': there is none yet"):
        book.pause("line")
    book.add(planned("nightly"), NOON)
    with pytest.raises(UserError, match="is there already: choose another name"):
        book.add(planned("nightly"), NOON)
    for act in (book.pause, book.remove, book.entry):
        with pytest.raises(UserError, match="did you mean 'nightly'"):
            act("nightl")


def test_a_damaged_file__is_a_sentence_and_stays_as_it_is(book: Book) -> None:
    book.path.parent.mkdir(parents=True)
    book.path.write_bytes(b"no database" * 100)
    with pytest.raises(UserError, match=r"is damaged .*move it away"):
        book.add(planned(), NOON)
    assert book.path.read_bytes() == b"no database" * 100


def test_a_full_disk__nothing_is_half_written_and_no_due_time_is_lost(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own limit of pages gives the very error of a full disk, at every size in turn."""
    book.add(planned(cron="* * * * *", missed="all", limit=500), NOON)
    whole = database.opened
    room = [0]

    @contextmanager
    def small(path: Path, layout: str) -> Iterator[sqlite3.Connection]:
        with whole(path, layout) as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages + room[0]}")
            yield connection

    later = NOON + timedelta(minutes=300)
    monkeypatch.setattr(book_module, "opened", small)
    failures = 0
    for room[0] in range(0, 200, 2):
        if _fits(book, later):
            break
        failures += 1
        assert book.open_firings() == []
        assert book.entry("line").settled == NOON
    assert failures > 5
    assert len(book.open_firings()) == 300
    monkeypatch.setattr(book_module, "opened", whole)
    claim_all(book, later + timedelta(minutes=300))
    assert (
        len({firing.due for firing in book.open_firings()}) == 500
    )  # the policy's limit, the rest said so
    assert sum(f.times for f in book.history(5000) if f.status == "skipped") == 100


def _fits(book: Book, now: datetime) -> bool:
    try:
        return claim_all(book, now) > 0
    except sqlite3.OperationalError as error:
        if "disk is full" not in str(error):
            raise
        return False
