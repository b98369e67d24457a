"""Who made a bundle: Ed25519 signatures over the manifest's bytes, held against the public keys a device trusts.

Covered: a bundle edited or forged whole, a signature of another key or another bundle, two valid keys while one takes
over from the other. Nothing of the manifest is parsed before a signature holds. Not covered: an older bundle that was
signed in its time (name the digest you expect), a stolen private key, whoever may write to the folder while it runs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.edge.errors import BundleError, TamperedBundle, UntrustedBundle, UserError

SIGNATURE = "signature.json"
PUBLIC = ".pub"
SCHEMA = 1
CONTEXT = b"plumbline bundle manifest v1\n"
"""Stands before the signed bytes, so that no signature made for another purpose is one of a bundle."""
MAX_SIGNATURE_BYTES = 2**16
MAX_SIGNATURES = 16
MAX_KEY_BYTES = 2**16
MAX_KEYS = 64

_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What DER puts before the 32 bytes of an Ed25519 public key (RFC 8410)."""
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/]{59}=)\n-----END PUBLIC KEY-----")
"""Of 44 bytes, which is an Ed25519 key with what DER puts before it."""
_SIZE = 64
_SHOWN = 16
_HEX = frozenset("0123456789abcdef")
_REMEDY = "copy the bundle again from the registry, do not run it"


@dataclass(frozen=True)
class Signature:
    """`key`: hex fingerprint of the public key; `value`: its 64 bytes over `signed_message(manifest)`."""

    key: str
    value: bytes


@dataclass(frozen=True)
class PublicKey:
    """`raw`: the key's 32 bytes; `name`: that of its file, without the suffix."""

    name: str
    raw: bytes

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 of the key in DER, as `openssl pkey -pubin -in KEY.pub -outform DER | sha256sum` prints it."""
        return hashlib.sha256(_SPKI + self.raw).hexdigest()

    def made(self, signature: Signature, manifest: bytes) -> bool:
        """Whether `signature` is this key's, over these bytes."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(
                signature.value, signed_message(manifest)
            )
        except InvalidSignature:
            return False
        return True

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint[:_SHOWN]})"


@dataclass(frozen=True)
class Trust:
    """The keys whose bundles may run; `source` says where they come from."""

    source: str
    keys: tuple[PublicKey, ...]

    def signers(
        self, folder: Path, manifest: bytes, signatures: Sequence[Signature]
    ) -> tuple[PublicKey, ...]:
        """Those of the keys that signed these bytes, one at least; else UntrustedBundle or TamperedBundle."""
        if not signatures:
            raise UntrustedBundle(
                f"bundle '{folder}' is not signed: sign it where it was made (plumbline keys sign), "
                "or say --unsigned where its origin does not matter"
            )
        claims = [(key, s) for key in self.keys for s in signatures if s.key == key.fingerprint]
        if not claims:
            strangers = ", ".join(dict.fromkeys(s.key[:_SHOWN] for s in signatures))
            raise UntrustedBundle(
                f"bundle '{folder}' is signed by {strangers}, trusted in '{self.source}' are "
                f"{_listed(self.keys)}: take a bundle of a trusted maker, or add its maker's {PUBLIC} file there"
            )
        valid = dict.fromkeys(key for key, s in claims if key.made(s, manifest))
        if not valid:
            named = _listed(dict.fromkeys(key for key, _ in claims))
            raise TamperedBundle(
                f"bundle '{folder}': its manifest is not what {named} signed, it was changed or the "
                f"signature belongs to another bundle; {_REMEDY}"
            )
        return tuple(valid)


def signed_message(manifest: bytes) -> bytes:
    """What is signed for a bundle whose manifest.json has these bytes."""
    return CONTEXT + manifest


def read_trust(folder: Path) -> Trust:
    """The Ed25519 keys of a folder's `*.pub` files (PEM); UserError if there are none or a private key lies there."""
    if not folder.is_dir():
        raise UserError(f"no folder of keys '{folder}': give the folder with the {PUBLIC} files")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for path in files:
        if _holds_private_key(path):
            raise UserError(
                f"'{path}' holds a PRIVATE key: whoever read this device can sign as you; remove it, make a new "
                f"key (plumbline keys new), and give devices {PUBLIC} files alone"
            )
    names = [path for path in files if path.suffix == PUBLIC and not path.name.startswith(".")]
    if not 1 <= len(names) <= MAX_KEYS:
        raise UserError(
            f"'{folder}' has {len(names)} {PUBLIC} files, must be 1 to {MAX_KEYS}: "
            "copy the public keys of the bundle's makers there"
        )
    return Trust(str(folder), tuple(read_public_key(path) for path in names))


def read_public_key(path: Path) -> PublicKey:
    """The one Ed25519 public key in a PEM file; UserError for anything else.

    Read here, not by `cryptography`: the form is fixed, and its readers of other keys cost every start 60 ms.
    """
    data = _head(path, MAX_KEY_BYTES).replace(b"\r\n", b"\n").strip()
    found = _PEM.fullmatch(data)
    der = base64.b64decode(found[1], validate=True) if found else b""
    if not der.startswith(_SPKI):
        raise UserError(
            f"'{path}' is not one Ed25519 public key in PEM form: copy the {PUBLIC} file that "
            "`plumbline keys new` wrote"
        )
    return PublicKey(path.stem, der.removeprefix(_SPKI))


def read_signatures(folder: Path) -> tuple[Signature, ...]:
    """What the bundle's signature.json says, unproven; () where there is none, TamperedBundle if it is malformed."""
    path = folder / SIGNATURE
    if not path.exists() and not path.is_symlink():
        return ()
    if path.is_symlink() or not path.is_file():
        raise TamperedBundle(f"'{path}' is no regular file; {_REMEDY}")
    data = _head(path, MAX_SIGNATURE_BYTES + 1)
    if len(data) > MAX_SIGNATURE_BYTES:
        raise TamperedBundle(f"'{path}' is larger than {MAX_SIGNATURE_BYTES} bytes; {_REMEDY}")
    try:
        return _parsed(data)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TamperedBundle(f"'{path}' cannot be read ({reason}); {_REMEDY}") from error


def signature_document(signatures: Iterable[Signature]) -> dict[str, Any]:
    """What signature.json holds, JSON-able."""
    entries = [{"key": s.key, "signature": base64.b64encode(s.value).decode()} for s in signatures]
    if len(entries) > MAX_SIGNATURES:
        raise BundleError(
            f"a bundle carries at most {MAX_SIGNATURES} signatures, got {len(entries)}: "
            "retire keys, or delete its signature.json and sign it again"
        )
    return {"schema": SCHEMA, "signatures": entries}


def _parsed(data: bytes) -> tuple[Signature, ...]:
    document = json.loads(data, object_pairs_hook=_once)
    if not isinstance(document, dict) or set(document) != {"schema", "signatures"}:
        raise ValueError("it must hold schema and signatures, nothing else")
    if type(document["schema"]) is not int or document["schema"] != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}, the one this runtime reads")
    entries = document["signatures"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_SIGNATURES:
        raise ValueError(f"signatures must be a list of 1 to {MAX_SIGNATURES}")
    return tuple(_entry(entry) for entry in entries)


def _entry(entry: Any) -> Signature:
    if not isinstance(entry, dict) or set(entry) != {"key", "signature"}:
        raise ValueError("each signature has key and signature, nothing else")
    key, text = entry["key"], entry["signature"]
    if not isinstance(key, str) or len(key) != 64 or not _HEX.issuperset(key):
        raise ValueError("a key is named by 64 hexadecimal digits")
    if not isinstance(text, str) or not text.isascii():
        raise ValueError("a signature is text in base64")
    value = base64.b64decode(text, validate=True)
    if len(value) != _SIZE or base64.b64encode(value).decode() != text:
        raise ValueError(f"a signature is {_SIZE} bytes in base64")
    return Signature(key, value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a key said twice would let two readers see two documents."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _holds_private_key(path: Path) -> bool:
    try:
        return b"PRIVATE KEY-----" in _head(path, MAX_KEY_BYTES)
    except PermissionError:  # hidden from us as well
        return False


def _head(path: Path, size: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(size)


def _listed(keys: Iterable[PublicKey]) -> str:
    return ", ".join(map(str, keys))
