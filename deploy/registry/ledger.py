"""What a ledger says: entries in the server's order, each built on the one before it, replayed to what holds now.

Covered: of entries built on the same one, the first counts and the others are void; an entry that was edited, deleted
or slipped in is found by hashes and numbers, and named. Not covered: somebody who rewrites a whole chain, hashes
included, and every machine's copy of it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from deploy.edge.files import canonical_json, sha256_bytes

Kind = Literal["begin", "register", "promote", "rollback", "adopt", "restore"]
KNOWN = "known"
"""Key of an entry's evidence: the findings with which its author chose to go on."""


@dataclass(frozen=True)
class Holder:
    """Who answers to an alias: a version, and the bundle in it (empty: it was not registered by Plumbline)."""

    version: int
    digest: str


Aliases = Mapping[str, Holder]


@dataclass(frozen=True)
class Entry:
    """One move of aliases; `previous` is the hash of the entry it builds on, `time` ISO 8601 in UTC.

    It states all aliases before and after, so that the last one alone says what holds.
    """

    sequence: int
    time: str
    who: str
    kind: Kind
    reason: str
    evidence: dict[str, str]
    before: dict[str, Holder]
    after: dict[str, Holder]
    previous: str
    nonce: str

    @property
    def text(self) -> str:
        """How it is written down; a reader hashes what is written, so that later versions may add fields."""
        return canonical_json(dataclasses.asdict(self)).decode()

    @classmethod
    def from_text(cls, text: str) -> Entry:
        """What was written down as `text`; ValidationError if it is no entry."""
        return _entries().validate_json(text)


@functools.cache
def _entries() -> TypeAdapter[Entry]:
    """Made once: it takes longer than a hundred entries."""
    return TypeAdapter(Entry)


@dataclass(frozen=True)
class Link:
    """A sound entry with its place: `number` is the server's, `applied` that its aliases were set."""

    number: int
    hash: str
    entry: Entry
    applied: bool = False


@dataclass(frozen=True)
class Row:
    """An entry as it lies somewhere, sound or not."""

    number: int
    text: str
    hash: str
    applied: bool = False

    @functools.cached_property
    def link(self) -> Link | None:
        """None if it is not what was written."""
        if sha256_bytes(self.text.encode()) != self.hash:
            return None
        try:
            entry = Entry.from_text(self.text)
        except ValidationError:
            return None
        return Link(self.number, self.hash, entry, self.applied)


@dataclass(frozen=True)
class Finding:
    """Something that a sound ledger cannot have; `name` is the same whenever it is found."""

    name: str
    sentence: str


@dataclass
class Ledger:
    """Entries that count, in order, those that lost a race, and what is wrong."""

    links: list[Link] = field(default_factory=list)
    void: list[Link] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def head(self) -> Link | None:
        """The entry that holds now."""
        return self.links[-1] if self.links else None

    @property
    def holders(self) -> Aliases:
        """Who answers to which alias now."""
        return self.links[-1].entry.after if self.links else {}

    @property
    def unknown(self) -> list[Finding]:
        """Findings that nobody has accepted by going on all the same."""
        evidence = [link.entry.evidence.get(KNOWN, "") for link in self.links]
        known = {name for names in evidence for name in names.split()}
        return [finding for finding in self.findings if finding.name not in known]


def replay(rows: Iterable[Row], copy: Iterable[Row] = (), since: int = 1) -> Ledger:
    """What the server's `rows` say, held against this machine's `copy` of them, which fills what is gone there.

    Of entries before number `since` the server was not asked: the copy speaks for them.
    """
    server, ours = ({row.number: row for row in some} for some in (rows, copy))
    ledger = Ledger(findings=[_all_gone(len(ours))] if ours and not server else [])
    built_on = {row.link.entry.previous for row in (*server.values(), *ours.values()) if row.link}
    seen = {""}
    for number in range(1, max([*server, *ours], default=0) + 1):
        there, here = server.get(number), ours.get(number)
        if server and number >= since:
            ledger.findings += _findings(number, there, here, copied=max(ours, default=0))
        found = [row.link for row in (here, there) if row and row.link]
        # What another entry builds on is what was there; else this machine's copy, which is the older.
        found.sort(key=lambda link: link.hash not in built_on)
        if found:
            applied = there.applied if there else True
            _take(ledger, dataclasses.replace(found[0], applied=applied), seen)
            seen |= {link.hash for link in found}
    return ledger


def _take(ledger: Ledger, link: Link, seen: set[str]) -> None:
    """Count it, or not; `seen` are the hashes of all before it."""
    head, entry = ledger.head, link.entry
    if entry.previous == (head.hash if head else ""):
        ledger.links.append(link)
        return
    if entry.previous not in seen:
        ledger.findings.append(
            Finding(
                f"broken:{link.number}",
                f"the chain is broken at entry {link.number}: it builds on {entry.previous[:12]}, "
                "which is no entry before it",
            )
        )
        if head is None or entry.sequence > head.entry.sequence:
            ledger.links.append(link)
            return
    ledger.void.append(link)


def _findings(number: int, there: Row | None, here: Row | None, *, copied: int) -> list[Finding]:
    """What is wrong with one number; `copied` is the last that this machine has a copy of."""
    found: list[Finding] = []
    ours = here.link.entry if here and here.link else None
    if there is None:
        filled = f"; this machine's copy says: {told(ours)}" if ours else ""
        found.append(Finding(f"gone:{number}", f"entry {number} is gone from the server{filled}"))
    elif there.link is None:
        what = f": {_change(ours, there)}" if ours else ", its hash says"
        found.append(Finding(f"edited:{number}", f"entry {number} was edited on the server{what}"))
    elif ours and here and here.hash != there.hash:
        found.append(Finding(f"differs:{number}", _differs(number, ours, there)))
    if here is not None and ours is None:
        found.append(Finding(f"copy:{number}", f"entry {number} was edited in this machine's copy"))
    elif here is None and there and there.link and number < copied:
        found.append(Finding(f"copy:{number}", f"entry {number} is gone from this machine's copy"))
    return found


def _differs(number: int, ours: Entry, there: Row) -> str:
    """Of another entry every field differs: then both are told whole."""
    theirs = there.link.entry if there.link else None
    if theirs is None or theirs.nonce == ours.nonce:
        what = _change(ours, there)
        return f"entry {number} is not the same on the server as in this machine's copy: {what}"
    return (
        f"entry {number} was replaced on the server: another entry stands in its place, {told(theirs)}; "
        f"this machine's copy says: {told(ours)}"
    )


def _all_gone(count: int) -> Finding:
    return Finding(
        "gone:all", f"the ledger is gone from the server; this machine's copy has {count} entries"
    )


def _change(ours: Entry, there: Row) -> str:
    """What was edited, if the text still reads as an entry."""
    try:
        theirs = dataclasses.asdict(Entry.from_text(there.text))
    except ValidationError:
        return "it cannot be read any more"
    differences = [
        f"{name} was {_short(value)}, is {_short(theirs[name])}"
        for name, value in dataclasses.asdict(ours).items()
        if value != theirs[name]
    ]
    return ", ".join(differences) or "its hash"


def _short(value: object) -> str:
    text = canonical_json(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}..."


def told(entry: Entry) -> str:
    """One line about an entry: when, who, what, why."""
    return f"{entry.time[:19]}Z {entry.who}: {moved(entry)} ({entry.reason})"


def moved(entry: Entry) -> str:
    """What it did to the aliases."""
    steps = [
        f"{alias} {_called(entry.before, alias)} -> {_called(entry.after, alias)}"
        for alias in sorted({*entry.before, *entry.after})
        if entry.before.get(alias) != entry.after.get(alias)
    ]
    return f"{entry.kind}: {', '.join(steps) or 'no alias moved'}"


def _called(aliases: Aliases, alias: str) -> str:
    holder = aliases.get(alias)
    return "nobody" if holder is None else str(holder.version)


def known_names(findings: Sequence[Finding]) -> str:
    """The evidence that accepts them."""
    return " ".join(finding.name for finding in findings)
