"""The workshop's signing keys: made, listed, retired, and what they sign.

    <store>/keys/private/NAME.pem      signs every bundle that is exported (PKCS8, readable by its owner alone)
    <store>/keys/trusted/NAME.pub      the folder that devices get a copy of
    <store>/keys/retired/NAME.pem      signs no more
    <store>/keys/distrusted/NAME.pub   kept for its fingerprint

Covered: two processes, a kill at any moment, a name used twice, a passphrase that does not fit. Not covered: keys in
hardware; who else may read the store's disk (the passphrase is for that).
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.edge.bundle import open_bundle
from deploy.edge.files import sync_folder, write_bytes
from deploy.edge.shelf import add_signatures
from deploy.edge.signing import PUBLIC, PublicKey, Signature, read_public_key, signed_message
from inspection.errors import UserError
from inspection.store import Store

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PASSPHRASE = "PLUMBLINE_KEY_PASSPHRASE"
"""Read from the environment and never from a command line, which every user of the machine can list."""
PRIVATE = ".pem"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENCRYPTED = b"BEGIN ENCRYPTED PRIVATE KEY"
_OTHERS = 0o077


@dataclass(frozen=True)
class KnownKey:
    """One key of the store; `fingerprint` is that of its public half, hex SHA-256."""

    name: str
    fingerprint: str
    signs: bool
    trusted: bool
    encrypted: bool


def trusted_folder(store: Store) -> Path:
    """The folder of public keys that devices get a copy of."""
    return store.keys / "trusted"


def new_key(store: Store, name: str | None = None) -> KnownKey:
    """A fresh Ed25519 pair that signs from now on; UserError if the name is taken, whatever became of that key.

    The private half is encrypted with the passphrase in the environment, if there is one.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if name is not None and not _NAME.fullmatch(name):
        raise UserError(
            f"a key's name has letters, digits, '.', '_' and '-' only, 64 at most, got {name!r}"
        )
    with _locked(store):
        _sweep(store)
        chosen = _free_name(name, _names(store))
        key, secret = Ed25519PrivateKey.generate(), _passphrase()
        lock = form.BestAvailableEncryption(secret) if secret else form.NoEncryption()
        pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, lock)
        public = key.public_key().public_bytes(
            form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo
        )
        # The public half first: killed in between, no key signs that no device could be told of.
        write_bytes(trusted_folder(store) / f"{chosen}{PUBLIC}", public)
        write_bytes(_private_folder(store) / f"{chosen}{PRIVATE}", pem, mode=0o600)
    return find_key(store, chosen)


def list_keys(store: Store) -> tuple[KnownKey, ...]:
    """Every key whose public half the store has, by name; no passphrase is needed."""
    return tuple(_known(store, name) for name in sorted(_names(store)) if _public(store, name))


def find_key(store: Store, name: str) -> KnownKey:
    """The key of that name; UserError names those there are."""
    keys = {key.name: key for key in list_keys(store)}
    if name not in keys:
        names = ", ".join(keys) or "none yet: plumbline keys new"
        raise UserError(f"no key '{name}' in '{store.keys}'; there are: {names}")
    return keys[name]


def retire_key(store: Store, name: str, *, distrust: bool) -> KnownKey:
    """Sign with it no more; with `distrust` its public half leaves the folder that devices get. Nothing is deleted."""
    find_key(store, name)  # a mistake makes no folder
    with _locked(store):
        key = find_key(store, name)
        if not key.signs and not (distrust and key.trusted):
            raise UserError(
                f"key '{name}' is retired already: choose another, or with --distrust one that is still trusted"
            )
        if key.signs:
            _move(_private_folder(store) / f"{name}{PRIVATE}", store.keys / "retired")
        if distrust and key.trusted:
            _move(trusted_folder(store) / f"{name}{PUBLIC}", store.keys / "distrusted")
    return find_key(store, name)


def signing_keys(store: Store) -> Mapping[str, Ed25519PrivateKey]:
    """The keys that sign, by name, opened; {} when this workshop does not sign, UserError if one cannot be opened."""
    return {path.stem: _opened(path) for path in _files(store, "private", PRIVATE)}


def exposed_keys(store: Store) -> tuple[str, ...]:
    """A sentence for each private key that others on this machine may read."""
    files = [path for kind in ("private", "retired") for path in _files(store, kind, PRIVATE)]
    return tuple(
        f"private key '{path}' has mode {mode:o}, others may read it: chmod 600 {shlex.quote(str(path))}, "
        "and make a new key if somebody did"
        for path in files
        if (mode := path.stat().st_mode & 0o777) & _OTHERS
    )


def sign_manifest(store: Store, manifest: bytes) -> tuple[Signature, ...]:
    """The signatures of every signing key over a manifest's bytes; () when this workshop does not sign."""
    message = signed_message(manifest)
    return tuple(
        Signature(_public_half(name, key).fingerprint, key.sign(message))
        for name, key in signing_keys(store).items()
    )


def sign_bundle(store: Store, folder: Path) -> tuple[str, ...]:
    """Add the signatures of the signing keys to a bundle whose every file fits; their fingerprints."""
    bundle = open_bundle(folder)
    signatures = sign_manifest(store, bundle.manifest.to_json())
    if not signatures:
        raise UserError(f"no key signs in '{store.keys}': make one with `plumbline keys new`")
    add_signatures(folder, signatures)
    return tuple(signature.key for signature in signatures)


def edge_options(bundle: Path) -> str:
    """What `plumbline-edge` needs to be told about a bundle on a store's shelf: which keys to trust, or none."""
    folder = trusted_folder(Store(bundle.parents[1]))
    files = _files(Store(bundle.parents[1]), folder.name, PUBLIC)
    trusted = {read_public_key(path).fingerprint for path in files}
    signed = {signature.key for signature in open_bundle(bundle).signatures}
    return f"--keys {shlex.quote(str(folder))}" if signed & trusted else "--unsigned"


def _known(store: Store, name: str) -> KnownKey:
    public, private = _public(store, name), store.keys / "private" / f"{name}{PRIVATE}"
    files = [path for path in (private, store.keys / "retired" / private.name) if path.is_file()]
    return KnownKey(
        name,
        read_public_key(public[0]).fingerprint,
        signs=private.is_file(),
        trusted=public[0].parent == trusted_folder(store),
        encrypted=any(_ENCRYPTED in path.read_bytes() for path in files),
    )


def _public(store: Store, name: str) -> Sequence[Path]:
    """Its public half, where it is trusted first."""
    folders = (trusted_folder(store), store.keys / "distrusted")
    return [path for folder in folders if (path := folder / f"{name}{PUBLIC}").is_file()]


def _names(store: Store) -> set[str]:
    places = (
        ("private", PRIVATE),
        ("retired", PRIVATE),
        ("trusted", PUBLIC),
        ("distrusted", PUBLIC),
    )
    return {path.stem for folder, suffix in places for path in _files(store, folder, suffix)}


def _files(store: Store, folder: str, suffix: str) -> list[Path]:
    """By name; what a killed writer left behind begins with a dot and is no key."""
    found = (store.keys / folder).glob(f"*{suffix}")
    return sorted(path for path in found if not path.name.startswith("."))


def _sweep(store: Store) -> None:
    """The lock is ours, so whatever begins with a dot was left by somebody who died, secret or not."""
    for left in store.keys.glob("*/.*"):
        left.unlink()


def _free_name(name: str | None, taken: set[str]) -> str:
    if name in taken:
        raise UserError(f"there is a key '{name}' already, and none is overwritten: choose another")
    return name or next(free for i in itertools.count(1) if (free := f"key-{i}") not in taken)


def _private_folder(store: Store) -> Path:
    folder = store.keys / "private"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _opened(path: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = path.read_bytes()
    secret = _passphrase() if _ENCRYPTED in data else None
    if _ENCRYPTED in data and secret is None:
        raise UserError(f"private key '{path}' has a passphrase: set {PASSPHRASE}")
    try:
        key = load_pem_private_key(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        cause = f"{PASSPHRASE} does not open it: set the right one" if secret else "restore it"
        raise UserError(f"private key '{path}' cannot be read; {cause}, or retire it") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"private key '{path}' is no Ed25519 key: remove it, `plumbline keys new`")
    return key


def _public_half(name: str, key: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(name, key.public_key().public_bytes_raw())


def _passphrase() -> bytes | None:
    return os.environ.get(PASSPHRASE, "").encode() or None


def _move(file: Path, folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    file.rename(folder / file.name)
    sync_folder(folder)
    sync_folder(file.parent)


@contextlib.contextmanager
def _locked(store: Store) -> Iterator[None]:
    """One process at a time changes the keys."""
    store.keys.mkdir(parents=True, exist_ok=True)
    with (store.keys / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
