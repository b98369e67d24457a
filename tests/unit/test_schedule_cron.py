"""When cron expressions are due: against a count by the wall clock, through every kind of change of the clocks."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.errors import MissingExtra, UserError
from pipelines.schedule.cron import check_steps, cron_of
from tests.unit.schedule_material import counted_out

CHANGES = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-10-04"),  # by half an hour
    ("Australia/Lord_Howe", "2026-04-05"),
    ("America/Santiago", "2026-09-06"),  # midnight is skipped
    ("Africa/Cairo", "2026-10-29"),  # midnight comes twice, the day before too
    ("America/St_Johns", "2010-11-07"),  # at one minute past midnight, back over it
    ("Pacific/Apia", "2011-12-30"),  # a whole day is skipped
]
EXPRESSIONS = [
    "30 2 * * *",
    "0,30 2 * * *",
    "15 0 * * *",
    "59 23 * * *",
    "*/15 * * * *",
    "*/20 1-3 * * *",
    "10 */6 * * *",
    "*/30 0 * * *",
    "0 2,3 * * 0",
    "30 2 1,15,25 * 5",
]


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_change_of_the_clocks__as_counted_on_the_wall(
    expression: str, zone: str, day: str
) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=30)
    end = start + timedelta(days=2, hours=12)
    found = [due.at for due in cron_of(expression, zone).between(start, end)]
    assert found == counted_out(expression, zone, start, end)


@given(
    expression=st.sampled_from(EXPRESSIONS),
    zone=st.sampled_from([zone for zone, _ in CHANGES[:7]]),
    minutes=st.integers(0, 60 * 24 * 365),
)
def test_going_on_from_any_moment__skips_nothing_and_repeats_nothing(
    expression: str, zone: str, minutes: int
) -> None:
    """A scheduler starts again at what it settled last: the rest of the list must be the same."""
    cron, start = cron_of(expression, zone), datetime(2026, 1, 1, tzinfo=UTC)
    begin = start + timedelta(minutes=minutes)
    several = [due.at for due in islice(cron.after(begin), 6)]
    assert several == sorted(set(several))
    again = begin
    for expected in several:
        again = next(cron.after(again)).at
        assert again == expected


@pytest.mark.parametrize(
    ("expression", "zone", "day", "at", "note"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-29", ["01:00"], "02:30 is skipped"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25", ["00:30"], "02:30 comes twice"),
        ("*/30 2 * * *", "Europe/Berlin", "2026-03-29", [], ""),
        ("30 */2 * * *", "Europe/Berlin", "2026-10-25", ["00:30", "01:30"], "02:30, "),
        ("5,20 2 * * *", "Australia/Lord_Howe", "2026-10-04", ["15:30"], "02:05 is skipped"),
    ],
)
def test_notes__say_what_the_clocks_did(
    expression: str, zone: str, day: str, at: list[str], note: str
) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=12)
    noted = [
        d for d in cron_of(expression, zone).between(start, start + timedelta(days=1)) if d.note
    ]
    assert [f"{due.at:%H:%M}" for due in noted] == at
    assert all(due.note.startswith(note) for due in noted)


@pytest.mark.parametrize(
    ("expression", "zone", "says"),
    [
        ("* * * *", "UTC", "has 4 fields"),
        ("0 0 2 * * *", "UTC", "has 6 fields"),
        ("@daily", "UTC", "has 1 fields"),
        ("61 * * * *", "UTC", "wrong minute"),
        ("0 24 * * *", "UTC", "wrong hour"),
        ("0 0 * * MOON", "UTC", "wrong day-of-week"),
        ("0 0 30 2 *", "UTC", "wrong day-of-month"),
        ("0 0 * * *", "Europe/Berln", "did you mean 'Europe/Berlin'"),
        ("0 0 * * *", "../../etc/passwd", "unknown time zone"),
        ("0 0 * * *", "", "unknown time zone"),
    ],
)
def test_mistakes__are_one_sentence(expression: str, zone: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        cron_of(expression, zone)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("*/90 * * * *", "minute step 90 .* due once an hour; .*'0 \\*/3 \\* \\* \\*'"),
        ("5,10-50/60 * * * *", "minute step 60"),
        ("0 */48 * * *", "hour step 48 .* due once a day; .*'0 2 \\*/2"),
        ("0 0 */60 * *", "day step 60 .* once a month"),
        ("0 0 1 */12 *", "month step 12 .* once a year"),
        ("0 0 * * */14", "weekday step 14 .* once a week"),
    ],
)
def test_a_step_longer_than_its_field__is_refused_with_the_way_out(
    expression: str, says: str
) -> None:
    cron_of(expression, "UTC")  # an old schedule still fires
    with pytest.raises(UserError, match=says):
        check_steps(expression)


@pytest.mark.parametrize("expression", [*EXPRESSIONS, "*/59 */23 */30 */11 */6"])
def test_a_step_with_an_effect__is_taken(expression: str) -> None:
    check_steps(expression)


def test_without_the_library__the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(MissingExtra, match="plumbline schedule needs the 'pipeline' extra"):
        cron_of("0 * * * *", "UTC")
