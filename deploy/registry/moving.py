"""Moves that count or are refused with who was first: swaps tried again while the alias in question stands still."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from deploy.registry.aliases import (
    CHALLENGER,
    CHAMPION,
    Hand,
    Standing,
    found_holders,
    stand,
    swap,
)
from deploy.registry.ledger import KNOWN, Aliases, Holder, Kind, Link, known_names, told
from deploy.registry.ledger_server import write_again
from deploy.registry.succession import champions, with_previous
from deploy.registry.tracking import open_tracking
from inspection.errors import Refused
from inspection.store import Store

TRIES = 50
"""Moves of other aliases that may come between looking and moving."""
FOUND = "found"
"""Key of an entry's evidence: what was wrong when its author chose to go on."""


class Overtaken(Refused):
    """Somebody else moved the alias since it was looked at."""


def ready(store: Store, name: str, hand: Hand) -> Standing:
    """How model `name` stands, its ledger begun with the aliases of an older registry; sound, or refused."""
    standing = stand(store, name)
    if standing.found and not standing.ledger.links and not standing.ledger.findings:
        begin = Hand("aliases as they were found when the ledger began", hand.who, hand.now)
        swap(store, standing, found_holders(store, standing), begin, "begin")
        standing = stand(store, name)
    _refuse_findings(standing)
    return standing


def move(
    store: Store,
    seen: Standing,
    alias: str,
    wanted: Callable[[Aliases], Aliases],
    hand: Hand,
    kind: Kind,
) -> tuple[Holder | None, Link | None]:
    """Swap until it counts, unless somebody else moves `alias` from where it was `seen`; who held it before.

    The link is None when there is nothing to do. Aliases that stray from the ledger are refused, unless what is wanted
    is just what the ledger says: that puts them back.
    """
    standing = seen
    for _ in range(TRIES):
        after = wanted(standing.holders)
        same = dict(after) == dict(standing.holders)
        if same and not standing.strays:
            return standing.holders.get(alias), None
        if not same:
            _refuse_strays(standing, alias)
        link = swap(store, standing, after, hand, "restore" if same else kind)
        if link is not None:
            return standing.holders.get(alias), link
        standing = ready(store, seen.name, hand)
        if standing.holders.get(alias) != seen.holders.get(alias):
            break
    raise overtaken(seen, standing, alias)


def enlist(store: Store, name: str, holder: Holder, hand: Hand) -> None:
    """Call a newly registered version `challenger`, whoever else was called so meanwhile."""
    while True:
        try:
            seen = ready(store, name, hand)
            move(store, seen, CHALLENGER, lambda now: {**now, CHALLENGER: holder}, hand, "register")
            return
        except Overtaken:
            continue


def adopt(store: Store, name: str, hand: Hand) -> Link | None:
    """Go on from the aliases as they are found, with all that is wrong written down; None if nothing is.

    Entries that are gone from the end of the server's ledger are written there again from this machine's copy.
    `previous` alone does not stay where it is found: it follows the champion.
    """
    standing = stand(store, name, whole=True)
    wrong = [*(f.sentence for f in standing.ledger.unknown), *standing.stray_sentences]
    if not wrong:
        return None
    write_again(open_tracking(store), store, name)
    standing = stand(store, name, whole=True)
    evidence = {KNOWN: known_names(standing.ledger.unknown), FOUND: "; ".join(wrong)[:20_000]}
    hand = dataclasses.replace(hand, evidence={**evidence, **hand.evidence})
    after = with_previous(found_holders(store, standing), champions(standing.ledger))
    link = swap(store, standing, after, hand, "adopt")
    if link is None:
        raise overtaken(standing, stand(store, name), CHAMPION)
    return link


def overtaken(seen: Standing, now: Standing, alias: str) -> Overtaken:
    """What the loser of a race says: who was first, and with what."""
    known = {link.hash for link in seen.ledger.links}
    news = [link for link in now.ledger.links if link.hash not in known]
    moves = [n for n in news if n.entry.before.get(alias) != n.entry.after.get(alias)]
    first = f": entry {moves[0].number}, {told(moves[0].entry)}" if moves else ""
    return Overtaken(
        f"the {alias} of '{seen.name}' was moved meanwhile{first}; this moved nothing; look with "
        f"'plumbline history {seen.name}', then decide anew"
    )


def _refuse_findings(standing: Standing) -> None:
    findings = standing.ledger.unknown
    if not findings:
        return
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    raise Refused(
        f"the ledger of '{standing.name}' was changed: {findings[0].sentence}{more}; look with 'plumbline history "
        f"{standing.name}'; to go on from the aliases as they stand, promote with --adopt"
    )


def _refuse_strays(standing: Standing, alias: str) -> None:
    strays = standing.strays
    if not strays:
        return
    chosen = alias if alias in strays else next(iter(strays))
    holder, name = standing.holders.get(chosen), standing.name
    back = (
        f"; put it back with 'plumbline promote {name} {holder.version} --to {chosen} --reason TEXT'"
        if holder
        else ""
    )
    raise Refused(
        f"{standing.stray_sentences[list(strays).index(chosen)]}; keep it by promoting with --adopt{back}"
    )
