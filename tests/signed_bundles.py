"""Keys from numbers and signatures by `cryptography` alone: what the edge reads must not be what the edge wrote."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

PREFIX = b"plumbline bundle manifest v1\n"


def key(number: int) -> Ed25519PrivateKey:
    """Always the same one for the same number."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def fingerprint(private: Ed25519PrivateKey) -> str:
    """Hex SHA-256 of the public half in DER."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(private.public_key().public_bytes(*form)).hexdigest()


def public_pem(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(private: Ed25519PrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def keys_folder(folder: Path, **keys: Ed25519PrivateKey) -> Path:
    """The `.pub` files of a device."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, private in keys.items():
        (folder / f"{name}.pub").write_bytes(public_pem(private))
    return folder


def entry(private: Ed25519PrivateKey, message: bytes) -> dict[str, str]:
    value = base64.b64encode(private.sign(message)).decode()
    return {"key": fingerprint(private), "signature": value}


def sign(folder: Path, *keys: Ed25519PrivateKey, prefix: bytes = PREFIX) -> Path:
    """Write the bundle's signature.json anew."""
    message = prefix + (folder / "manifest.json").read_bytes()
    document = {"schema": 1, "signatures": [entry(private, message) for private in keys]}
    (folder / "signature.json").write_text(json.dumps(document))
    return folder
