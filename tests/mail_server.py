"""Mail and web servers on this machine that take alerts, with every fault that real ones have."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.web_server import QuietHandler, answering

HOST = "localhost"
USER, SECRET = "line-3", "correct horse"


def certificate_in(folder: Path) -> Path:
    """A certificate of an own authority for localhost, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "server.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@dataclass
class Mailbox:
    """What a mail server took; `answer` is what it says to a mail, after `delay` seconds."""

    answer: str = "250 OK"
    delay: float = 0.0
    mails: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    port: int = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.delay)
        if self.answer.startswith("2"):
            assert isinstance(envelope.content, bytes)
            self.mails.append(envelope.content.decode())
        return self.answer

    def authenticate(self, *stated: Any) -> Any:
        data = stated[-1]
        assert isinstance(data, LoginPassword)
        self.users.append(data.login.decode())
        right = (data.login.decode(), data.password.decode()) == (USER, SECRET)
        return AuthResult(success=right, handled=False)


@contextmanager
def mail_server(
    box: Mailbox, pem: Path | None = None, *, tls: str = "starttls"
) -> Iterator[Mailbox]:
    """A server on `box.port`; with `pem` it speaks TLS (`starttls` or `ssl`) and asks for a login."""
    context = None
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
    options: dict[str, Any] = {}
    if context is not None and tls == "starttls":
        options = {"tls_context": context, "require_starttls": True}
    if context is not None:
        options |= {"authenticator": box.authenticate, "auth_required": True}
        options["auth_require_tls"] = tls == "starttls"  # it does not see TLS that was there before
    with socket.socket() as free:
        free.bind((HOST, 0))
        box.port = free.getsockname()[1]
    outer = context if tls == "ssl" else None
    controller = Controller(box, hostname=HOST, port=box.port, ssl_context=outer, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@dataclass
class Hook:
    """What a webhook was sent; it answers `status` after `delay` seconds."""

    status: int = 200
    delay: float = 0.0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


@contextmanager
def hook_server(hook: Hook) -> Iterator[Hook]:
    """A web server at `hook.url` that takes POSTs of JSON."""

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/json"
            hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            threading.Event().wait(hook.delay)
            try:
                self.send_response(hook.status)
                self.end_headers()
            except OSError:
                return

    with answering(Handler) as address:
        hook.url = f"{address}/services/secret-token"
        yield hook
