"""`plumbline promote` and `rollback`: one alias moved, its ledger entry, and the bundle that it brings."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.output import Answer
from pipelines.settings import Settings

if TYPE_CHECKING:
    from deploy.registry.aliases import Hand
    from deploy.registry.promotion import Move


def promote_version(
    name: str,
    version: int,
    to: str,
    *,
    reason: str,
    who: str | None,
    expect: int | None,
    force: bool,
    adopt: bool,
    settings: Settings,
    now: Callable[[], datetime],
) -> Answer:
    """The alias given to a version, or a sentence why not."""
    from deploy.registry.promotion import Terms, promote
    from deploy.registry.tracking import speaking

    hand = _hand(reason, who, now)
    terms = Terms(force=force, adopt=adopt, expect=expect)
    with speaking(settings.store):
        return _answer(promote(settings.store, name, version, hand, to=to, terms=terms))


def roll_back_to_last(
    name: str,
    *,
    reason: str,
    who: str | None,
    expect: int | None,
    settings: Settings,
    now: Callable[[], datetime],
) -> Answer:
    """The champion before this one is champion again."""
    from deploy.registry.promotion import roll_back
    from deploy.registry.tracking import speaking

    with speaking(settings.store):
        return _answer(roll_back(settings.store, name, _hand(reason, who, now), expect=expect))


def _hand(reason: str, who: str | None, now: Callable[[], datetime]) -> Hand:
    from deploy.registry.aliases import Hand, user_here

    return Hand(reason, user_here() if who is None else who, now)


def _answer(move: Move) -> Answer:
    from pipelines.commands.history import adopted_line, found_by

    before = f"version {move.before.version}" if move.before else "nobody"
    adopted = move.adopted
    entry = move.link.entry if move.link else None
    moved = (
        f"{before} -> version {move.holder.version} of {move.name}"
        if entry
        else f"{before} of {move.name} already"
    )
    return Answer(
        document={
            "model": move.name,
            "alias": move.alias,
            "version": move.holder.version,
            "digest": move.holder.digest,
            "before": vars(move.before) if move.before else None,
            "bundle": str(move.bundle),
            "entry": move.link.number if move.link else None,
            "kind": entry.kind if entry else None,
            "who": entry.who if entry else None,
            "time": entry.time if entry else None,
            "adopted": {"entry": adopted.number, "found": found_by(adopted)} if adopted else None,
        },
        lines=[
            *([adopted_line(adopted)] if adopted else []),
            f"{move.alias.capitalize():9} {moved}",
            f"Bundle    {move.bundle} (verified)",
            f"Ledger    entry {move.link.number} by {entry.who}"
            if move.link and entry
            else f"Ledger    no {'further ' if adopted else ''}move written: the alias stood there",
        ],
        next=[
            f"plumbline-edge verify {shlex.quote(str(move.bundle))}",
            f"plumbline history {move.name}",
        ],
    )
