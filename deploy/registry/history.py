"""Who held an alias when: the ledger's order counts, clocks only say when, and one that contradicts the order is told.

Covered: a clock that went back, one that was ahead of now, a day on which several were champion. Not covered: clocks
that are wrong by less than the time between two moves; nobody can see that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from deploy.registry.ledger import Holder, Ledger, Link
from inspection.errors import UserError

WRITTEN = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].+)?\Z")


@dataclass(frozen=True)
class Reign:
    """One holder's time, from `since` up to `until` (None: it has not ended); `link` began it."""

    holder: Holder | None
    since: datetime
    until: datetime | None
    link: Link


def reigns(ledger: Ledger, alias: str, now: datetime) -> list[Reign]:
    """Who held `alias`, in order; times never run against the order."""
    begun: list[tuple[datetime, Link]] = []
    for link, since in zip(ledger.links, _times(ledger.links, now), strict=True):
        holder = link.entry.after.get(alias)
        if begun and begun[-1][1].entry.after.get(alias) == holder:
            continue
        begun.append((since, link))
    ends: list[datetime | None] = [*(since for since, _ in begun), None]
    return [
        Reign(link.entry.after.get(alias), since, until, link)
        for (since, link), until in zip(begun, ends[1:], strict=True)
    ]


def reigned(every: Sequence[Reign], begin: datetime, end: datetime) -> list[Reign]:
    """Those of `every` that cover a moment from `begin` to before `end`; both the same: that moment."""
    last = max(end, begin + timedelta(microseconds=1))
    return [r for r in every if r.since < last and (r.until is None or r.until > begin)]


def asked_for(text: str, zone: tzinfo | None, now: datetime) -> tuple[datetime, datetime]:
    """The time that an ISO 8601 date means, as a whole: a day, an hour, a minute, a second; with fractions a moment.

    Without an offset it is in `zone` (None: this machine's).
    """
    try:
        # Python also reads 20260131, but as a moment: midnight, when another may have been champion.
        if not WRITTEN.match(text):
            raise ValueError(text)
        if len(text) == len("2026-01-31"):
            day = date.fromisoformat(text)
            begin, end = (
                _aware(datetime.combine(d, time()), zone) for d in (day, day + timedelta(days=1))
            )
        else:
            begin = _aware(datetime.fromisoformat(text), zone)
            end = begin + _meant(text)
    except (ValueError, OverflowError) as error:
        raise UserError(
            f"--on '{text}' is no date: give 2026-01-31, 2026-01-31T14:30 or 2026-01-31T14:30+01:00"
        ) from error
    if begin > now:
        raise UserError(
            f"--on {text} lies ahead: the ledger knows the past up to now, {now.isoformat(timespec='seconds')}"
        )
    return begin, min(end, max(now, begin))


def _meant(text: str) -> timedelta:
    """How long a time lasts that was written down to the hour, the minute or the second: people cut, clocks do not."""
    clock = re.split(r"[+Zz-]", text[len("2026-01-31T") :])[0]
    if "." in clock or "," in clock:
        return timedelta(0)
    digits = len(clock.replace(":", "").strip())
    return {2: timedelta(hours=1), 4: timedelta(minutes=1)}.get(digits, timedelta(seconds=1))


def clock_sentences(ledger: Ledger, now: datetime) -> list[str]:
    """One for each entry whose clock contradicts the order of entries, or now."""
    said: list[str] = []
    before: Link | None = None
    for link in ledger.links:
        told = _time(link)
        if told > now:
            said.append(
                f"entry {link.number} says {link.entry.time[:19]}Z, which is ahead of this machine's clock; the order "
                "of entries counts"
            )
        elif before and told < _time(before):
            said.append(
                f"entry {link.number} says {link.entry.time[:19]}Z, before entry {before.number} "
                f"({before.entry.time[:19]}Z): a clock went back; the order of entries counts"
            )
        before = link
    return said


def _times(links: Sequence[Link], now: datetime) -> list[datetime]:
    """When each entry took effect: what its clock said, but not before the entry before it.

    A clock ahead of now is wrong for certain: then it was at the latest when the next entry was written.
    """
    times = [_time(link) for link in links]
    latest = now
    for i in reversed(range(len(times))):
        if times[i] > now:
            times[i] = latest
        latest = min(latest, times[i])
    for i in range(1, len(times)):
        times[i] = max(times[i], times[i - 1])
    return times


def _time(link: Link) -> datetime:
    return datetime.fromisoformat(link.entry.time)


def _aware(moment: datetime, zone: tzinfo | None) -> datetime:
    local = (
        moment if moment.tzinfo else moment.replace(tzinfo=zone) if zone else moment.astimezone()
    )
    return local.astimezone(UTC)
