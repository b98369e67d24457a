"""The one way to move an alias: a swap that counts only if nothing moved meanwhile, written into the ledger first.

MLflow sets an alias whatever it stood at. So the ledger decides (see ledger_server.py): of entries built on the same
one, the server puts one first, and that one wins. Then the aliases are set to what it says; whoever reads or moves
next finishes what a kill left undone.

Covered: movers without a shared folder, a kill at any moment, an answer of the server that was lost, a plain MLflow
client that moved an alias. Not covered: a mover that stops for longer than another's whole move, just between looking
and setting, and is killed there: the alias is then reported as moved by a plain client, and put back by hand.
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deploy.registry.ledger import Aliases, Entry, Holder, Kind, Ledger, Link
from deploy.registry.ledger_server import append, mark_applied, read_ledger
from deploy.registry.tracking import is_remote, may_write, open_tracking
from inspection.errors import UserError
from inspection.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER, SHADOW, PREVIOUS = "champion", "challenger", "shadow", "previous"
ALIASES = (CHAMPION, CHALLENGER, SHADOW, PREVIOUS)
DIGEST = "digest"
"""The tag of a version that names the bundle in it."""
MOST_COLLISIONS = 20
"""Others at the same moment that a mover lets pass before it believes that the server is at fault."""
MOST_WORDS = 2000
"""Characters of a reason."""


def user_here() -> str:
    """`user@machine` of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def utc_now() -> datetime:
    """The time by this machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Hand:
    """Who moves, why, by whose clock, and what speaks for it."""

    reason: str
    who: str = field(default_factory=user_here)
    now: Callable[[], datetime] = utc_now
    evidence: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, said in (("reason", self.reason), ("who", self.who)):
            if not said.strip() or len(said) > MOST_WORDS or not said.isprintable():
                raise UserError(
                    f"the {name} of a move must be one line of 1 to {MOST_WORDS} characters: give --{name} 'TEXT'"
                )


@dataclass(frozen=True)
class Standing:
    """A model's aliases by its ledger, and as they were found on the server (version by alias).

    `unfinished`: the last entry's aliases are not all set, and cannot be, because the store is only read.
    """

    name: str
    ledger: Ledger
    found: Mapping[str, int]
    unfinished: bool = False

    @property
    def holders(self) -> Aliases:
        """By the ledger."""
        return self.ledger.holders

    def version(self, alias: str) -> int | None:
        """Who answers to `alias`: by the ledger, or as found where there is none yet."""
        return _version(self.holders, alias) if self.ledger.links else self.found.get(alias)

    @property
    def strays(self) -> dict[str, int | None]:
        """Aliases that do not stand where the ledger says, and where they stand; without a ledger there are none."""
        if not self.ledger.links or self.unfinished:
            return {}
        return {
            alias: self.found.get(alias)
            for alias in ALIASES
            if self.found.get(alias) != _version(self.holders, alias)
        }

    @property
    def stray_sentences(self) -> list[str]:
        """One for each of them."""
        return [
            f"alias '{alias}' of '{self.name}' stands at {_shown(stands)}, the ledger says "
            f"{_shown(_version(self.holders, alias))}: it was moved outside Plumbline"
            for alias, stands in self.strays.items()
        ]


def stand(store: Store, name: str, *, whole: bool = False) -> Standing:
    """How model `name` stands; finishes a move that was killed between its ledger entry and its aliases, if it can.

    With `whole` every entry on the server is held against this machine's copy, else the latest.
    """
    client = open_tracking(store)
    ledger = read_ledger(client, store, name, whole=whole)
    while True:
        found = _found(client, name)
        head = ledger.head
        if head and not head.applied and _is_half_done(head, found):
            if not (is_remote(store) or may_write(store)):
                return Standing(name, ledger, found, unfinished=True)
            _settle(client, store, name, ledger)
            ledger = read_ledger(client, store, name, whole=whole)
            continue
        standing = Standing(name, ledger, found)
        if not standing.strays:
            return standing
        # Somebody may have moved on between the two looks: then it is no stray.
        ledger = read_ledger(client, store, name, whole=whole)
        if ledger.head == standing.ledger.head:
            return standing


def swap(store: Store, standing: Standing, after: Aliases, hand: Hand, kind: Kind) -> Link | None:
    """Move the aliases from `standing` to `after`; None, and nothing moved, if somebody moved any since."""
    client = open_tracking(store)
    entry = _entry(standing, after, hand, kind)
    link, ledger = append(client, store, standing.name, entry)
    _settle(client, store, standing.name, ledger)
    return link


def found_holders(store: Store, standing: Standing) -> dict[str, Holder]:
    """The aliases as they were found, with the bundles behind them."""
    client = open_tracking(store)
    versions = {v: client.get_model_version(standing.name, str(v)) for v in standing.found.values()}
    return {
        alias: Holder(version, versions[version].tags.get(DIGEST, ""))
        for alias, version in standing.found.items()
    }


def _entry(standing: Standing, after: Aliases, hand: Hand, kind: Kind) -> Entry:
    head = standing.ledger.head
    return Entry(
        sequence=head.entry.sequence + 1 if head else 1,
        time=hand.now().astimezone(UTC).isoformat(timespec="microseconds"),
        who=hand.who,
        kind=kind,
        reason=hand.reason,
        evidence=dict(hand.evidence),
        before=dict(standing.holders),
        after=dict(after),
        previous=head.hash if head else "",
        nonce=secrets.token_hex(8),  # two movers never write the same entry
    )


def _settle(client: MlflowClient, store: Store, name: str, ledger: Ledger) -> Ledger:
    """Set the aliases to what the last entry says, and again if it is not the last any more.

    Looked at once more after setting: a slower mover would otherwise leave its own over a later one's.
    """
    from mlflow.exceptions import MlflowException

    collisions = 0
    while head := ledger.head:
        try:
            _set(client, name, head.entry.after)
            ledger = read_ledger(client, store, name)
            if ledger.head and ledger.head.hash == head.hash:
                if not ledger.head.applied:
                    mark_applied(client, name, head)
                return ledger
        except MlflowException as error:
            # Two who set the same alias or tag for the first time: MLflow looks, then inserts, and one of them fails.
            collisions += 1
            if error.error_code != "BAD_REQUEST" or collisions > MOST_COLLISIONS:
                raise
            ledger = read_ledger(client, store, name)
    return ledger


def _set(client: MlflowClient, name: str, after: Aliases) -> None:
    from mlflow.exceptions import MlflowException

    found = _found(client, name)
    for alias in ALIASES:
        wanted = _version(after, alias)
        if found.get(alias) == wanted:
            continue
        if wanted is None:
            client.delete_registered_model_alias(name, alias)
            continue
        try:
            client.set_registered_model_alias(name, alias, str(wanted))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # deleted: told as a stray alias
                raise


def _found(client: MlflowClient, name: str) -> dict[str, int]:
    """From the model: a search of versions would return no aliases at all."""
    models = client.search_registered_models(f"name = '{name}'", max_results=1)
    aliases = models[0].aliases if models else {}
    return {alias: int(aliases[alias]) for alias in ALIASES if alias in aliases}


def _is_half_done(head: Link, found: Mapping[str, int]) -> bool:
    """Every alias stands before or after the move; anything else is somebody else's doing."""
    entry = head.entry
    return all(
        found.get(alias) in (_version(entry.before, alias), _version(entry.after, alias))
        for alias in ALIASES
    )


def _version(aliases: Aliases, alias: str) -> int | None:
    holder = aliases.get(alias)
    return None if holder is None else holder.version


def _shown(version: int | None) -> str:
    return "nobody" if version is None else f"version {version}"
