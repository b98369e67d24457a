"""`plumbline keys`: signing keys made, shown, retired, and put to a bundle."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from deploy.export.keys import (
    PASSPHRASE,
    exposed_keys,
    list_keys,
    new_key,
    retire_key,
    sign_bundle,
    signing_keys,
    trusted_folder,
)
from inspection.store import Store
from pipelines.output import Answer, Table
from pipelines.settings import Settings, make_store


def make_key(name: str | None, settings: Settings) -> Answer:
    """A pair in the store."""
    make_store(settings)
    key, store = new_key(settings.store, name), settings.store
    locked = f"locked with {PASSPHRASE}" if key.encrypted else f"not locked: {PASSPHRASE} unset"
    return Answer(
        document={**vars(key), "public": str(trusted_folder(store) / f"{key.name}.pub")},
        lines=[
            f"Key       {key.name}  {key.fingerprint}",
            f"Private   {store.keys / 'private' / key.name}.pem ({locked}); keep it here, and a copy in a safe",
            f"Devices   copy {trusted_folder(store)} to each; plumbline-edge takes it with --keys",
        ],
        next=["plumbline keys list"],
    )


def show_keys(settings: Settings) -> Answer:
    """All of them, by name."""
    warn_of_exposed(settings.store)
    keys = list_keys(settings.store)
    if not keys:
        return Answer(
            {"keys": []},
            [f"No keys in {settings.store.keys}: bundles are exported unsigned."],
            next=["plumbline keys new"],
        )
    rows = [
        (
            key.name,
            "signs" if key.signs else "retired",
            "trusted" if key.trusted else "distrusted",
            "passphrase" if key.encrypted else "no",
            key.fingerprint,
        )
        for key in keys
    ]
    return Answer(
        document={
            "keys": [vars(key) for key in keys],
            "trusted": str(trusted_folder(settings.store)),
        },
        table=Table(("key", "bundles", "devices", "locked", "fingerprint"), rows),
        lines=[f"Trusted keys lie in {trusted_folder(settings.store)}"],
    )


def retire_named(name: str, settings: Settings, *, distrust: bool) -> Answer:
    """One key less that signs."""
    key = retire_key(settings.store, name, distrust=distrust)
    left = [other.name for other in list_keys(settings.store) if other.signs]
    signs = f"signed by {', '.join(left)}" if left else "UNSIGNED: no key is left that signs"
    trust = "still trusted" if key.trusted else "distrusted: copy the trusted folder to devices"
    return Answer(
        document={**vars(key), "signing": left},
        lines=[f"Retired   {key.name}  {key.fingerprint}, {trust}", f"Bundles   {signs}"],
        next=["plumbline keys list"] if left else ["plumbline keys new"],
    )


def sign_folder(bundle: Path, settings: Settings) -> Answer:
    """The store's signatures on one bundle."""
    warn_of_exposed(settings.store)
    signed = sign_bundle(settings.store, bundle)
    keys = shlex.quote(str(trusted_folder(settings.store)))
    return Answer(
        document={"bundle": str(bundle), "signed_by": list(signed)},
        lines=[f"Signed    {bundle} by {', '.join(signed)}"],
        next=[f"plumbline-edge verify {shlex.quote(str(bundle))} --keys {keys}"],
    )


def check_keys(store: Store) -> None:
    """A key that cannot be opened is told before a run has worked for an hour, not when it exports."""
    warn_of_exposed(store)
    list_keys(store)
    signing_keys(store)


def warn_of_exposed(store: Store) -> None:
    """A line on stderr for each private key that others may read."""
    for sentence in exposed_keys(store):
        print(f"warning: {sentence}", file=sys.stderr)
