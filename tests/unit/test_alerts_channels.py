"""Alerts against real mail and web servers: what arrives, and what servers that are down, slow or refuse cost."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from pathlib import Path

import pytest

from inspection.store import Store
from pipelines.alerts.told import record_of, tell
from tests.mail_server import SECRET, USER, Hook, Mailbox, certificate_in, hook_server, mail_server
from tests.unit.alerts_material import NOW, Captured, event, mail_to, records, store, wanted

__all__ = ["store"]


def test_all_three_channels__one_message_each_and_a_record(store: Store, tmp_path: Path) -> None:
    with mail_server(Mailbox()) as box, hook_server(Hook()) as hook:
        lines = tmp_path / "far/alerts.jsonl"
        wanted(store, email=mail_to(box.port), webhook={"url": hook.url}, file=str(lines))
        sent = tell(store, {}, event("Schärfe: 3 µm"), NOW)
    assert sent == {"email": "sent", "webhook": "sent", "file": "sent"}
    (mail,) = box.mails
    assert "Subject: Plumbline: train of demo failed" in mail
    assert "To: shift@plant.example" in mail
    assert hook.bodies == [
        {"text": "Plumbline: train of demo failed\nSchärfe: 3 µm\nrun 1, 2026-06-01 12:00 UTC"}
    ]
    document = json.loads(lines.read_text())
    assert (document["kind"], document["sentence"]) == ("failed", "Schärfe: 3 µm")
    assert records(store)[0]["outcome"] == sent


@pytest.mark.parametrize("tls", ["starttls", "ssl"])
def test_mail_with_a_login__over_tls(store: Store, tmp_path: Path, tls: str) -> None:
    pem = certificate_in(tmp_path)
    with mail_server(Mailbox(), pem, tls=tls) as box:
        section = mail_to(box.port, security=tls, user=USER, ca=str(pem))
        wanted(store, email=section)
        right = tell(store, {"PLUMBLINE_SMTP_PASSWORD": SECRET}, event(), NOW)
        wrong = tell(store, {"PLUMBLINE_SMTP_PASSWORD": "guess"}, event("other", "run 2"), NOW)
    assert right == {"email": "sent"}
    assert re.fullmatch("not sent: the mail server says 535 .*", wrong["email"])
    assert len(box.mails) == 1
    assert SECRET not in record_of(store).read_text() + (store.root / "alerts.yaml").read_text()


def test_a_server_that_nobody_vouches_for__gets_no_password(store: Store, tmp_path: Path) -> None:
    with mail_server(Mailbox(), certificate_in(tmp_path)) as box:
        wanted(store, email=mail_to(box.port, security="starttls", user=USER))
        sent = tell(store, {"PLUMBLINE_SMTP_PASSWORD": SECRET}, event(), NOW)
    assert "CERTIFICATE_VERIFY_FAILED" in sent["email"]
    assert box.users == []


def test_servers_that_are_down__are_a_warning_and_a_record(store: Store, capsys: Captured) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        port = taken.getsockname()[1]
        hook = f"http://127.0.0.1:{port}/services/secret-token"
        wanted(store, email=mail_to(port, host="127.0.0.1"), webhook={"url": hook})
        sent = tell(store, {}, event(), NOW)
    assert sent["email"] == (
        f"not sent: 127.0.0.1:{port}: Connection refused; is the server up, and are email.host and email.port right?"
    )
    assert sent["webhook"] == (
        "not sent: 127.0.0.1: Connection refused; is it up, and is webhook.url right?"
    )
    said = capsys.readouterr().err
    assert "warning: alert by email not sent: " in said
    assert "secret-token" not in said + record_of(store).read_text()
    assert records(store)[0]["outcome"] == sent


@pytest.mark.parametrize(("status", "says"), [(500, "answers 500"), (404, "answers 404")])
def test_a_webhook_that_refuses(store: Store, status: int, says: str) -> None:
    with hook_server(Hook(status=status)) as hook:
        wanted(store, webhook={"url": hook.url})
        assert says in tell(store, {}, event(), NOW)["webhook"]


def test_a_mail_server_that_refuses_the_mail(store: Store) -> None:
    with mail_server(Mailbox(answer="452 no room")) as box:
        wanted(store, email=mail_to(box.port))
        assert "452 no room" in tell(store, {}, event(), NOW)["email"]


def test_slow_servers__cost_a_bounded_time(store: Store) -> None:
    with mail_server(Mailbox(delay=20.0)) as box, hook_server(Hook(delay=20.0)) as hook:
        wanted(store, timeout=0.5, email=mail_to(box.port), webhook={"url": hook.url})
        began = time.monotonic()
        sent = tell(store, {}, event(), NOW)
        took = time.monotonic() - began
    # Which of the two limits comes first, a busy machine decides.
    assert re.search("timed out|no end of it within 1.5 s", sent["email"]), sent
    assert re.search("no answer in time|no end of it within 1.5 s", sent["webhook"]), sent
    assert took < 10


def test_a_server_that_never_comes_to_an_end__is_left(store: Store) -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                while not over.wait(0.1):
                    connection.sendall(b"2")

        thread = threading.Thread(target=drip)
        thread.start()
        port = listening.getsockname()[1]
        wanted(store, timeout=0.4, email=mail_to(port, host="127.0.0.1"))
        sent = tell(store, {}, event(), NOW)
        over.set()
        thread.join()
    assert sent == {"email": "not sent: no end of it within 1.2 s"}
