"""Who becomes champion, challenger or shadow, and the way back: checked first, then moved.

Covered: no certificate, a gate that refused or was never asked, a champion other than the one that the gate compared
with, a bundle that is not what it was when it was champion. A bundle holds model, thresholds and drift reference, so
moving the alias moves all three. Not covered: a device, which gets its bundle when somebody copies it there.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from deploy.edge.bundle import Bundle, open_bundle
from deploy.edge.spec import CERTIFICATE
from deploy.registry.aliases import CHALLENGER, CHAMPION, PREVIOUS, SHADOW, Hand, Standing
from deploy.registry.ledger import Aliases, Holder, Link
from deploy.registry.models import (
    GATE,
    GATE_SENTENCE,
    PASSED,
    bundle_of,
    champion_name,
    check_model,
    tags_of,
)
from deploy.registry.moving import adopt, move, ready
from deploy.registry.succession import champions, with_previous
from inspection.errors import Refused, UserError
from inspection.store import Store

PROMOTED_TO = (CHAMPION, CHALLENGER, SHADOW)


@dataclass(frozen=True)
class Move:
    """What was done: `link` is its ledger entry, None when there was nothing to do; `adopted` the one before it."""

    name: str
    alias: str
    holder: Holder
    before: Holder | None
    bundle: Path
    link: Link | None
    adopted: Link | None = None


@dataclass(frozen=True)
class Terms:
    """Under which a promotion is done.

    `force` passes over the gate; `adopt` first goes on from aliases or a ledger that somebody changed; `expect` is the
    version that must hold the alias now; `seen` is a look at the model from before, since which the alias must not have
    moved.
    """

    force: bool = False
    adopt: bool = False
    expect: int | None = None
    seen: Standing | None = None


AS_USUAL = Terms()


def promote(
    store: Store,
    name: str,
    version: int,
    hand: Hand,
    *,
    to: str = CHAMPION,
    terms: Terms = AS_USUAL,
) -> Move:
    """Give alias `to` to a version whose bundle is certified and whose gate, for the champion, let it through."""
    _check_alias(to)
    check_model(store, name)
    bundle = _certified(store, name, version)
    evidence = _evidence(bundle)
    if to == CHAMPION:
        evidence |= _gate(store, name, version, force=terms.force)
    holder = Holder(version, bundle.digest)
    adopted = adopt(store, name, hand) if terms.adopt else None
    seen = terms.seen or ready(store, name, hand)
    _check_expected(seen, to, terms.expect)
    hand = dataclasses.replace(hand, evidence={**evidence, **hand.evidence})
    reigned = champions(seen.ledger)

    def wanted(now: Aliases) -> Aliases:
        return _promoted(now, to, holder, reigned)

    before, link = move(store, seen, to, wanted, hand, "promote")
    return Move(name, to, holder, before, bundle.folder, link, adopted)


def crown(store: Store, name: str, version: int, hand: Hand, *, compared_with: str | None) -> Move:
    """Make champion what a gate has just let through, if the champion is still the one it was `compared_with`."""
    seen = ready(store, name, hand)
    current = seen.holders.get(CHAMPION)
    now = champion_name(current.digest) if current else None
    if now != compared_with and not (current and current.version == version):
        raise Refused(
            f"the gate compared version {version} of '{name}' with {compared_with or 'no champion'}, but by now there "
            f"is {now or 'none'}: run again, so that it is compared with that"
        )
    return promote(store, name, version, hand, terms=Terms(seen=seen))


def roll_back(store: Store, name: str, hand: Hand, *, expect: int | None = None) -> Move:
    """Make the champion before this one champion again; its bundle is verified before anything moves."""
    check_model(store, name)
    seen = ready(store, name, hand)
    _check_expected(seen, CHAMPION, expect)
    earlier = champions(seen.ledger)[:-1]
    if not earlier:
        raise UserError(
            f"'{name}' had no other champion before this one: there is nothing to go back to"
        )
    target = earlier[-1]
    bundle = _certified(store, name, target.version)
    if bundle.digest != target.digest:
        raise Refused(
            f"version {target.version} of '{name}' held bundle {target.digest[:12]} when it was champion and holds "
            f"{bundle.digest[:12]} now: somebody changed it by hand; promote another version"
        )
    hand = dataclasses.replace(hand, evidence={**_evidence(bundle), **hand.evidence})

    def wanted(now: Aliases) -> Aliases:
        """`previous` is whom the next rollback would bring, not the one that has just failed."""
        return with_previous({**now, CHAMPION: target}, earlier)

    before, link = move(store, seen, CHAMPION, wanted, hand, "rollback")
    return Move(name, CHAMPION, target, before, bundle.folder, link)


def _promoted(now: Aliases, to: str, holder: Holder, reigned: list[Holder]) -> Aliases:
    after = {**now, to: holder}
    crowned = to == CHAMPION and now.get(CHAMPION) != holder
    return with_previous(after, reigned) if crowned else after


def _check_alias(to: str) -> None:
    if to not in PROMOTED_TO:
        why = ": it follows the champion by itself" if to == PREVIOUS else ""
        raise UserError(f"nothing is promoted to '{to}'{why}; give {', '.join(PROMOTED_TO)}")


def _check_expected(seen: Standing, alias: str, expected: int | None) -> None:
    holder = seen.holders.get(alias)
    if expected is not None and expected != (holder.version if holder else None):
        held_by = f"version {holder.version}" if holder else "nobody"
        raise Refused(
            f"the {alias} of '{seen.name}' is {held_by}, expected was version {expected}: nothing was moved; look with "
            f"'plumbline history {seen.name}'"
        )


def _certified(store: Store, name: str, version: int) -> Bundle:
    """A version's bundle, verified and on the shelf; without a certificate there is none that could be opened."""
    return open_bundle(bundle_of(store, name, version))


def _evidence(bundle: Bundle) -> dict[str, str]:
    return {"bundle": bundle.digest, "certificate": bundle.manifest.files[CERTIFICATE]}


def _gate(store: Store, name: str, version: int, *, force: bool) -> dict[str, str]:
    """What the gate said of it, as evidence; refused unless it passed or `force` passes over it."""
    tags = tags_of(store, name, version)
    said, sentence = tags.get(GATE, ""), tags.get(GATE_SENTENCE, "")
    evidence = {GATE: said or "never asked", GATE_SENTENCE: sentence}
    if said == PASSED:
        return evidence
    if not force:
        why = f"was refused by the gate: {sentence}" if said else "was never judged by a gate"
        raise Refused(
            f"version {version} of '{name}' {why}; to promote it all the same, and have it written down: --force"
        )
    return evidence | {"forced": "true"}
