"""Who was champion when: against a record kept beside the ledger, over days, zones and clocks that are wrong."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.registry.history import asked_for, clock_sentences, reigned, reigns
from deploy.registry.ledger import Entry, Holder, Ledger, Link
from inspection.errors import UserError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def moves(*steps: tuple[datetime, int | None]) -> Ledger:
    """A ledger of champions: (time, version)."""
    links = []
    for number, (moment, version) in enumerate(steps, start=1):
        after = {} if version is None else {"champion": Holder(version, f"{version:064x}")}
        entry = Entry(
            number, moment.isoformat(), "ann", "promote", "why", {}, {}, after, "", str(number)
        )
        links.append(Link(number, f"{number:064x}", entry, applied=True))
    return Ledger(links=links)


def who(ledger: Ledger, moment: datetime, until: datetime | None = None) -> list[int | None]:
    found = reigned(reigns(ledger, "champion", NOW), moment, until or moment)
    return [reign.holder.version if reign.holder else None for reign in found]


def hours(number: float) -> datetime:
    return NOON + timedelta(hours=number)


def test_before_between_and_after() -> None:
    ledger = moves((NOON, 1), (hours(1), 2), (hours(2), 2), (hours(3), 1))
    moments = (-0.1, 0, 0.9, 1, 2.5, 3, 1000)
    assert [who(ledger, hours(h)) for h in moments] == [[], [1], [1], [2], [2], [1], [1]]
    assert [(r.link.number, r.until) for r in reigns(ledger, "champion", NOW)] == [
        (1, hours(1)),
        (2, hours(3)),
        (4, None),
    ]
    assert reigns(Ledger(), "champion", NOW) == []


def test_a_day_names_all_who_reigned_in_it() -> None:
    ledger = moves((NOON, 1), (hours(1), 2), (hours(24), 3))
    begin, end = asked_for("2026-03-01", UTC, NOW)
    assert who(ledger, begin, end) == [1, 2]
    begin, end = asked_for("2026-03-02", UTC, NOW)
    assert who(ledger, begin, end) == [2, 3]
    begin, end = asked_for("2026-02-27", UTC, NOW)
    assert who(ledger, begin, end) == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("2026-03-01T12:30:15", [1, 2]),  # as `who` writes it down: the second move was within it
        ("2026-03-01 12:30:15Z", [1, 2]),
        ("2026-03-01T12:30", [1, 2, 3]),
        ("2026-03-01T13:30+01:00", [1, 2, 3]),
        ("2026-03-01T07-05:00", [1, 2, 3]),
        ("2026-03-01T12:30:15.499999", [1]),
        ("2026-03-01T12:30:15.500", [2]),
        ("2026-03-01T12:30:14", [1]),
        ("2026-03-01T12:30:16", [2]),
        ("2026-03-01T12:31", [3]),
        ("2026-03-01T12:31:00", [3]),
    ],
)
def test_a_time_means_the_whole_second_minute_or_hour(asked: str, found: list[int]) -> None:
    half_past = NOON + timedelta(minutes=30)
    second, third = half_past + timedelta(seconds=15.5), half_past + timedelta(seconds=40)
    ledger = moves((NOON, 1), (second, 2), (third, 3))
    assert who(ledger, *asked_for(asked, UTC, NOW)) == found


def test_a_moment_without_an_offset_is_local_and_summer_time_is_known() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert asked_for("2026-01-31T14:30", berlin, NOW)[0] == datetime(
        2026, 1, 31, 13, 30, tzinfo=UTC
    )
    assert asked_for("2026-04-30T14:30", berlin, NOW)[0] == datetime(
        2026, 4, 30, 12, 30, tzinfo=UTC
    )
    assert asked_for("2026-01-31T14:30-05:00", berlin, NOW)[0].hour == 19
    assert asked_for("2026-01-31T14:30Z", berlin, NOW)[0].hour == 14
    begin, end = asked_for("2026-03-29", berlin, NOW)  # the day that is an hour short
    assert end - begin == timedelta(hours=23)
    begin, end = asked_for("2026-06-01", UTC, NOW + timedelta(hours=2))
    assert end == NOW + timedelta(hours=2)  # today ends now


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-13-01",
        "2026-02-30",
        "",
        "1",
        "2026-01-31T25:00",
        "20260131",
        "2026-W05-6",
    ],
)
def test_a_date_that_is_none(text: str) -> None:
    with pytest.raises(UserError, match="is no date: give 2026-01-31"):
        asked_for(text, UTC, NOW)


def test_the_future_is_not_known() -> None:
    with pytest.raises(UserError, match="lies ahead"):
        asked_for("2026-06-01T00:01", UTC, NOW)


def test_a_clock_that_went_back_is_told_and_the_order_counts() -> None:
    ledger = moves((hours(5), 1), (hours(2), 2), (hours(6), 3))
    assert [who(ledger, hours(h)) for h in (3, 5, 5.5, 6)] == [[], [2], [2], [3]]
    (sentence,) = clock_sentences(ledger, NOW)
    assert "entry 2 says 2026-03-01T14:00:00Z, before entry 1" in sentence
    assert "the order of entries counts" in sentence


def test_a_clock_ahead_of_now_does_not_hide_what_follows() -> None:
    ledger = moves((NOON, 1), (NOW + timedelta(days=4000), 2), (hours(3), 3))
    assert [who(ledger, hours(h)) for h in (0, 2.9, 3, 50)] == [[1], [1], [3], [3]]
    assert "ahead of this machine's clock" in clock_sentences(ledger, NOW)[0]
    last = moves((NOON, 1), (NOW + timedelta(days=4000), 2))
    assert (who(last, hours(1)), who(last, NOW)) == ([1], [2])


def test_sound_clocks_are_not_spoken_of() -> None:
    assert clock_sentences(moves((NOON, 1), (NOON, 2), (hours(1), 3)), NOW) == []


@given(
    st.lists(st.tuples(st.integers(0, 2000), st.one_of(st.none(), st.integers(1, 5))), min_size=1),
    st.integers(-10, 2010),
)
def test_reigns__agree_with_playing_the_moves_one_by_one(
    steps: list[tuple[int, int | None]], asked: int
) -> None:
    ordered = sorted(steps, key=lambda step: step[0])
    ledger = moves(*((hours(at), version) for at, version in ordered))
    held = [version for at, version in ordered if at <= asked]
    expected = held[-1:] or []
    assert who(ledger, hours(asked)) == expected


def test_reigns__whatever_the_clocks_say_times_follow_the_order() -> None:
    random.seed(3)
    for _ in range(200):
        steps = [(hours(random.uniform(-1e5, 1e5)), i) for i in range(1, 12)]
        found = reigns(moves(*steps), "champion", NOW)
        assert [reign.holder.version for reign in found] == list(range(1, 12))
        since = [reign.since for reign in found]
        assert since == sorted(since)
        assert max(since) <= NOW
