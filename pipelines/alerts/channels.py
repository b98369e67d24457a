"""The ways out: mail, webhook, file. Each either delivers one message within its time or raises what went wrong."""

from __future__ import annotations

import http.client
import json
import os
import smtplib
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from inspection.data.readers.stated import one_line
from pipelines.alerts.config import PASSWORD, Alerts, Email, Webhook

FAULTS = (OSError, http.client.HTTPException, ValueError)
"""What a server, a network or a message can do to us; smtplib's and urllib's errors are OSErrors."""
ROUNDS = 3
"""A dialogue of many short answers ends after so many times the timeout of one."""


@dataclass(frozen=True)
class Message:
    """`subject` is one line; `document` is what a machine reads."""

    subject: str
    text: str
    document: Mapping[str, object]


Send = Callable[[Message], None]


def channels_of(alerts: Alerts, variables: Mapping[str, str]) -> dict[str, Send]:
    """What the config names, by name."""
    ways: dict[str, Send] = {}
    if alerts.email is not None:
        password = variables.get(PASSWORD, "")
        ways["email"] = partial(by_mail, alerts.email, password, alerts.timeout)
    if alerts.webhook is not None:
        ways["webhook"] = partial(by_webhook, alerts.webhook, alerts.timeout)
    if alerts.file is not None:
        ways["file"] = partial(to_file, alerts.file)
    return ways


def send_all(ways: Mapping[str, Send], message: Message, timeout: float) -> dict[str, str]:
    """`sent`, or why not, of each channel; all at once, and none waits longer than a bounded time."""
    outcome: dict[str, str] = {}

    def attempt(name: str, send: Send) -> None:
        try:
            send(message)
            outcome[name] = "sent"
        except FAULTS as error:
            outcome[name] = f"not sent: {_reason(error)}"

    threads = [
        threading.Thread(target=attempt, args=item, daemon=True, name=item[0])
        for item in ways.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ROUNDS * timeout)
    late = f"not sent: no end of it within {ROUNDS * timeout:g} s"
    return {name: outcome.get(name, late) for name in ways}


def by_mail(email: Email, password: str, timeout: float, message: Message) -> None:
    """One plain mail."""
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = message.subject, email.sender, ", ".join(email.to)
    mail.set_content(message.text)
    context = ssl.create_default_context(cafile=email.ca)
    with _mail_server(email, timeout, context) as server:
        if email.security == "starttls":
            server.starttls(context=context)
        if email.user is not None:
            server.login(email.user, password)
        server.send_message(mail)


def _mail_server(email: Email, timeout: float, context: ssl.SSLContext) -> smtplib.SMTP:
    """The server, reached; an error that names it and what to look at."""
    try:
        if email.security == "ssl":
            return smtplib.SMTP_SSL(email.host, email.port, timeout=timeout, context=context)
        return smtplib.SMTP(email.host, email.port, timeout=timeout)
    except smtplib.SMTPResponseException:
        raise
    except OSError as error:
        looked_at = "email.ca, email.security" if isinstance(error, ssl.SSLError) else "email.port"
        raise OSError(
            f"{email.host}:{email.port}: {_reason(error)}; is the server up, and are email.host and {looked_at} right?"
        ) from None


def by_webhook(hook: Webhook, timeout: float, message: Message) -> None:
    """One POST of JSON; its `text` is what Slack shows."""
    body = json.dumps({"text": f"{message.subject}\n{message.text}"}).encode()
    request = urllib.request.Request(hook.url, body, {"Content-Type": "application/json"})
    context = ssl.create_default_context(cafile=hook.ca)
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=context):
            pass
    except FAULTS as error:
        # Said without the address: whoever knows it may post there.
        remedy = "is it up, and is webhook.url right?"
        raise OSError(f"{urlsplit(hook.url).hostname}: {_reason(error)}; {remedy}") from None


def to_file(path: Path, message: Message) -> None:
    """One line of JSON at the end of a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(message.document, ensure_ascii=False).encode() + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        before = os.fstat(descriptor).st_size
        if os.write(descriptor, line) != len(line):  # the disk took a part of it
            os.ftruncate(descriptor, before)
            raise OSError(f"{path}: no space left for a line")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        told = said.decode(errors="replace") if isinstance(said, bytes) else said
        return one_line(f"the mail server says {error.smtp_code} {told}")
    if isinstance(error, urllib.error.HTTPError):
        return f"answers {error.code}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, OSError) and cause.strerror and not cause.filename:
        return one_line(cause.strerror)  # without its number
    return one_line(cause) or type(cause).__name__
