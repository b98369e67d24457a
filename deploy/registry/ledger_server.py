"""The ledger on the MLflow server: versions of a registered model `<name>.ledger`, one per entry.

Of everything MLflow does, only this is unique by the server: a version's number. It is given out in order and with its
tags in one transaction, on SQLite as on PostgreSQL, and a deleted version's number is not given out again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.registry.ledger import Entry, Ledger, Link, Row, moved, replay
from deploy.registry.ledger_file import add_to_copy, read_copy
from deploy.registry.tracking import URI_SETTING, RegistryError, may_write, tracking_uri
from inspection.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

ENTRY, HASH, APPLIED = "plumbline.entry", "plumbline.hash", "plumbline.applied"
SOURCE = "plumbline:/ledger"
"""A version must name a source; this one is looked up by nobody."""
PAGE = 10_000
LATEST = 20
"""Entries that are asked for again though this machine has a copy."""
PATIENCE = 10.0
"""Seconds in which a server has to show what it has taken (a replica that is read from lags behind)."""


def ledger_name(name: str) -> str:
    """The registered model that is the ledger of model `name`; names of models have no full stop."""
    return f"{name}.ledger"


def is_ledger(name: str) -> bool:
    """Whether a registered model is one."""
    return name.endswith(".ledger")


def copy_path(store: Store, name: str) -> Path:
    """Where this machine's copy lies; of another server it is another copy."""
    uri = os.environ.get(URI_SETTING)
    place = hashlib.sha256(tracking_uri(store).encode()).hexdigest()[:12] if uri else "store"
    return store.ledgers / f"{name}-{place}.jsonl"


def read_ledger(client: MlflowClient, store: Store, name: str, *, whole: bool = False) -> Ledger:
    """What server and copy say; the copy gets what is new, where the store can be written.

    Unless the `whole` is asked for, a server is not asked again for what lies in a sound copy, but for the latest
    entries: a move takes as long after ten thousand others as after ten.
    """
    path = copy_path(store, name)
    copy = read_copy(path)
    sound = [row.number for row in copy if row.link] == list(range(1, len(copy) + 1))
    rows, since = _rows(client, name, 0 if whole or not sound else len(copy))
    ledger = replay(rows, copy, since)
    if may_write(store):
        add_to_copy(path, rows)
    return ledger


def append(
    client: MlflowClient, store: Store, name: str, entry: Entry
) -> tuple[Link | None, Ledger]:
    """Write `entry` down; gives its link if it counts, None if another was first, and the ledger after it."""
    tags = {ENTRY: entry.text, HASH: hashlib.sha256(entry.text.encode()).hexdigest()}
    what = f"{moved(entry)}. By {entry.who}: {entry.reason}"[:4000]
    if entry.sequence == 1:
        _make(client, name)
    number = _write(client, name, tags, what)
    ends = time.monotonic() + PATIENCE
    while True:
        ledger = read_ledger(client, store, name)
        # By hash: a request that was sent again after a lost answer is written down twice, and counts once.
        mine = [link for link in ledger.links if link.hash == tags[HASH]]
        if mine or any(link.hash == tags[HASH] for link in ledger.void):
            return (mine[0] if mine else None), ledger
        if time.monotonic() > ends:
            raise RegistryError(
                f"entry {number} of the ledger of '{name}' was written but the server does not show it; "
                f"look with: plumbline history {name}"
            )
        time.sleep(0.1)


def write_again(client: MlflowClient, store: Store, name: str) -> None:
    """The entries after the last on the server, or all, from this machine's copy, in their order.

    Whoever deletes the newest in the database frees their numbers: a new entry would lie where they were.
    """
    _make(client, name)
    last = max((row.number for row in _rows(client, name, 0)[0]), default=0)
    for row in read_copy(copy_path(store, name)):
        if row.number <= last:
            continue
        tags = {ENTRY: row.text, HASH: row.hash, APPLIED: "true"}
        _write(client, name, tags, "written again")


def mark_applied(client: MlflowClient, name: str, link: Link) -> None:
    """Note on the server that an entry's aliases were set."""
    client.set_model_version_tag(ledger_name(name), str(link.number), APPLIED, "true")


def _write(client: MlflowClient, name: str, tags: Mapping[str, str], what: str) -> int:
    """The number that the server gave it; nothing is copied that one would have to wait for."""
    made = client.create_model_version(
        ledger_name(name), SOURCE, tags=dict(tags), description=what, await_creation_for=0
    )
    return int(made.version)


def _make(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    ledger = ledger_name(name)
    if client.search_registered_models(f"name = '{ledger}'", max_results=1):
        return
    what = f"Plumbline's ledger of '{name}': each version is one move of its aliases. Do not edit."
    try:
        client.create_registered_model(ledger, description=what)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another was first
            raise


def _rows(client: MlflowClient, name: str, known: int) -> tuple[list[Row], int]:
    """Entries from the newest back to the first after `known`, and a page's more; the number they begin with."""
    found: list[Row] = []
    token = None
    while True:
        page = client.search_model_versions(
            f"name = '{ledger_name(name)}'",
            max_results=LATEST if known else PAGE,
            order_by=["version_number DESC"],
            page_token=token,
        )
        found += [_row(int(version.version), version.tags) for version in page]
        token = page.token
        if not token:
            return found, 1
        if known and found[-1].number <= known:
            return found, found[-1].number


def _row(number: int, tags: Mapping[str, str]) -> Row:
    return Row(number, tags.get(ENTRY, ""), tags.get(HASH, ""), applied=APPLIED in tags)
