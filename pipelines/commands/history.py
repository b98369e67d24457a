"""`plumbline history` and `who`: the ledger as people ask for it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from inspection.errors import Refused, UserError
from pipelines.output import Answer, Table
from pipelines.settings import Settings

if TYPE_CHECKING:
    from deploy.registry.aliases import Standing
    from deploy.registry.history import Reign
    from deploy.registry.ledger import Link

MINUTES = "%Y-%m-%d %H:%M:%S %Z"


def show_history(name: str, last: int, *, settings: Settings, now: datetime) -> Answer:
    """The latest moves, oldest first, and all that is wrong."""
    from deploy.registry.history import clock_sentences
    from deploy.registry.ledger import moved

    standing = _standing(name, settings)
    ledger = standing.ledger
    unknown = {finding.name for finding in ledger.unknown}
    findings = [
        f.sentence + ("" if f.name in unknown else " (accepted since)") for f in ledger.findings
    ]
    clocks = clock_sentences(ledger, now)
    counted = {link.hash for link in ledger.links}  # an entry written twice has lost no race
    losers = len([link for link in ledger.void if link.hash not in counted])
    lost = f"{losers} more entries lost a race and do not count." if losers else ""
    wrong = bool(unknown or standing.strays)
    shown = ledger.links[-last:]
    rows = [
        (
            str(link.number),
            _local(link.entry.time),
            link.entry.who,
            f"{moved(link.entry)} ({link.entry.reason})",
        )
        for link in shown
    ]
    return Answer(
        document={
            "model": name,
            "entries": [_document(link) for link in shown],
            "void": [_document(link) for link in ledger.void],
            "aliases": {alias: vars(holder) for alias, holder in ledger.holders.items()},
            "on_the_server": dict(standing.found),
            "findings": findings,
            "strays": standing.stray_sentences,
            "clocks": clocks,
        },
        table=Table(("entry", "when", "who", "what and why"), rows) if rows else None,
        lines=[
            *([] if rows else [f"No move of '{name}' is in a ledger yet."]),
            *([lost] if lost else []),
            *(f"Clock     {sentence}" for sentence in clocks),
            *(adopted_line(link) for link in shown if link.entry.kind == "adopt"),
            *(f"Changed   {sentence}" for sentence in (*findings, *standing.stray_sentences)),
        ],
        next=[f"plumbline who {name}"],
        exit_code=Refused.exit_code if wrong else 0,
    )


def show_holder(
    name: str, on: str | None, alias: str, *, settings: Settings, now: datetime
) -> Answer:
    """Who held `alias` at a moment or on a day: one line for each, in order."""
    from deploy.registry.aliases import ALIASES
    from deploy.registry.history import asked_for, clock_sentences, reigned, reigns

    if alias not in ALIASES:
        raise UserError(f"no alias '{alias}': give {', '.join(ALIASES)}")
    begin, end = (now, now) if on is None else asked_for(on, None, now)
    standing = _standing(name, settings)
    found = reigned(reigns(standing.ledger, alias, now), begin, end)
    strays = [s for s in standing.stray_sentences if f"alias '{alias}'" in s] if not on else []
    nobody = f"nobody: the ledger of '{name}' knows no {alias} then"
    return Answer(
        document={
            "model": name,
            "alias": alias,
            "from": begin.isoformat(),
            "to": end.isoformat(),
            "holders": [_reign(reign) for reign in found if reign.holder],
            "clocks": clock_sentences(standing.ledger, now),
            "strays": strays,
        },
        lines=[
            *([_said(reign) for reign in found if reign.holder] or [nobody]),
            *(f"Clock     {sentence}" for sentence in clock_sentences(standing.ledger, now)),
            *(f"Changed   {sentence}" for sentence in strays),
        ],
        next=[f"plumbline history {name}"],
    )


def found_by(link: Link) -> str:
    """What was wrong when its author chose to go on."""
    from deploy.registry.moving import FOUND

    return link.entry.evidence.get(FOUND, "")


def adopted_line(link: Link) -> str:
    """An entry that accepts what somebody changed, and what that was."""
    return f"Adopted   by entry {link.number}, which found: {found_by(link)}"


def _standing(name: str, settings: Settings) -> Standing:
    from deploy.registry.aliases import stand
    from deploy.registry.models import check_model
    from deploy.registry.tracking import speaking

    with speaking(settings.store):
        check_model(settings.store, name)
        return stand(settings.store, name, whole=True)


def _document(link: Link) -> dict[str, Any]:
    entry = link.entry
    return {
        "entry": link.number,
        "hash": link.hash,
        **{name: value for name, value in vars(entry).items() if name not in ("before", "after")},
        "before": {alias: vars(holder) for alias, holder in entry.before.items()},
        "after": {alias: vars(holder) for alias, holder in entry.after.items()},
    }


def _reign(reign: Reign) -> dict[str, Any]:
    assert reign.holder is not None
    return {
        **vars(reign.holder),
        "since": reign.since.isoformat(),
        "until": reign.until.isoformat() if reign.until else None,
        "entry": reign.link.number,
        "who": reign.link.entry.who,
        "reason": reign.link.entry.reason,
    }


def _said(reign: Reign) -> str:
    assert reign.holder is not None
    until = f" until {_shown(reign.until)}" if reign.until else ", and is still"
    entry = reign.link.entry
    return (
        f"version {reign.holder.version} (bundle {reign.holder.digest[:12]}) since {_shown(reign.since)}{until}; "
        f"entry {reign.link.number} by {entry.who}: {entry.reason}"
    )


def _local(iso: str) -> str:
    return _shown(datetime.fromisoformat(iso))


def _shown(moment: datetime) -> str:
    return moment.astimezone().strftime(MINUTES)
