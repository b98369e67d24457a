"""Alerts against real mail and web servers: what arrives, what is held back, and that nothing outside fails a run."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from inspection.errors import ConfigError, Refused
from inspection.store import Store
from pipelines.alerts.config import load_alerts
from pipelines.alerts.told import Event, origin_of_firing, origin_of_run, record_of, tell
from pipelines.cli import run_command_line
from pipelines.launcher.launch import flight
from pipelines.settings import FIRING
from tests.mail_server import (
    HOST,
    SECRET,
    USER,
    Hook,
    Mailbox,
    certificate_in,
    hook_server,
    mail_server,
)

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
Captured = pytest.CaptureFixture[str]


def event(sentence: str = "it broke", origin: str = "run 1", kind: Any = "failed") -> Event:
    return Event(kind, "train of demo", sentence, origin)


def wanted(store: Store, **sections: Any) -> None:
    """Write `alerts.yaml`."""
    store.root.mkdir(exist_ok=True)
    (store.root / "alerts.yaml").write_text(yaml.safe_dump({"timeout": 5, **sections}))


def mail_to(port: int, **changes: Any) -> dict[str, Any]:
    stated = {"host": HOST, "port": port, "security": "none", "sender": "line@plant.example"}
    return {**stated, "to": ["shift@plant.example"], **changes}


def records(store: Store) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record_of(store).read_text().splitlines()]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_without_a_file__nobody_asked_and_nothing_is_made(store: Store) -> None:
    assert tell(store, {}, event(), NOW) == {}
    assert not store.root.exists()


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
    assert all("Connection refused" in outcome for outcome in sent.values())
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


def test_equal_news__once_in_a_window_and_the_next_says_how_often(store: Store) -> None:
    with hook_server(Hook()) as hook:
        wanted(store, window="1h", webhook={"url": hook.url})
        for minutes in (0, 10, 20, 70, 75):
            origin = f"run {minutes}"
            tell(store, {}, event(origin=origin), NOW + timedelta(minutes=minutes))
        tell(store, {}, event("something else", "run x"), NOW + timedelta(minutes=76))
    first, second, other = (body["text"] for body in hook.bodies)
    assert "held back" not in first
    assert "The same was held back 2 times within 1 h 00 min." in second
    assert "something else" in other


def test_one_failure_that_three_report__is_one(store: Store) -> None:
    with hook_server(Hook()) as hook:
        wanted(store, webhook={"url": hook.url})
        label = "nightly 2026-06-01T12:00:00+00:00 1"
        by_run = origin_of_run("demo-1", {FIRING: label})
        tell(store, {}, event("step", by_run), NOW)
        tell(store, {}, event("run", by_run), NOW)
        tell(store, {}, Event("failed", "schedule 'nightly'", "x", origin_of_firing(label)), NOW)
        tell(store, {}, event("step", origin_of_run("demo-2", {})), NOW + timedelta(hours=2))
    assert len(hook.bodies) == 2
    assert "held back" not in hook.bodies[1]["text"]


def test_news_that_reached_nobody__is_tried_again_with_the_next(store: Store) -> None:
    with hook_server(Hook(status=500)) as hook:
        wanted(store, webhook={"url": hook.url})
        tell(store, {}, event(origin="run 1"), NOW)
        hook.status = 200
        tell(store, {}, event(origin="run 2"), NOW + timedelta(minutes=1))
    assert "held back 1 times" in hook.bodies[1]["text"]


def test_ends_that_nobody_wants__are_not_told(store: Store) -> None:
    with hook_server(Hook()) as hook:
        wanted(store, tell=["completed"], webhook={"url": hook.url})
        assert tell(store, {}, event(), NOW) == {}
        assert tell(store, {}, event(kind="completed"), NOW) == {"webhook": "sent"}


def test_a_store_that_cannot_be_written__is_no_reason_for_silence(
    store: Store, capsys: Captured
) -> None:
    with hook_server(Hook()) as hook:
        wanted(store, webhook={"url": hook.url})
        (store.root / "alerts.db").mkdir()
        record_of(store).mkdir()
        tell(store, {}, event(), NOW)
    assert len(hook.bodies) == 1
    assert "warning: alerts forget what they have told" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("emial: {}", "unknown key: did you mean 'email'?"),
        ("timeout: 5", "nobody is told"),
        ("webhook: {url: 'ftp://x'}", "webhook.url: string should match"),
        ("webhook: {url: '${NO_SUCH_HOOK}'}", "${NO_SUCH_HOOK} is not set"),
        ("file: a.jsonl\nwindow: 60", "write a duration of up to 30 days with its units"),
        ("file: a.jsonl\ntell: [broken]", "input should be 'failed'"),
        ("email: {host: h, sender: a, to: [b@c]}", "email.sender: string should match"),
        (
            "email: {host: h, sender: a@b, to: [b@c], user: u}",
            "its password is not set; export PLUMBLINE_SMTP_PASSWORD",
        ),
        (
            "email: {host: h, sender: a@b, to: [b@c], user: u, security: none}",
            "would send the password in the clear",
        ),
        ("email: {host: h, sender: a@b, to: [b@c], password: p}", "email.password: unknown key"),
        ("webhook: {url: 'https://x', ca: no.pem}", "webhook.ca: there is no file 'no.pem'"),
        ("- 1", "holds a list"),
    ],
)
def test_faults_of_the_file__a_sentence_each_and_never_the_runs_end(
    store: Store, text: str, says: str, capsys: Captured
) -> None:
    store.root.mkdir()
    path = store.root / "alerts.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_alerts(path, {})
    assert any(says in fault for fault in caught.value.faults), caught.value.faults
    assert "alerts" in tell(store, {}, event(), NOW)
    assert says.split(";")[0] in capsys.readouterr().err


def test_a_run_that_is_refused__keeps_its_end_whatever_the_servers_do(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with hook_server(Hook()) as hook:
        wanted(store, tell=["refused", "completed"], webhook={"url": hook.url})
        with pytest.raises(Refused, match="too weak"), flight("train", "demo", store, lambda: NOW):
            raise Refused("too weak")
        with flight("train", "demo", store, lambda: NOW):
            pass
        hook.status = 500
        with pytest.raises(Refused, match="weaker"), flight("train", "demo", store, lambda: NOW):
            raise Refused("weaker")
    texts = [body["text"] for body in hook.bodies]
    assert texts[0].startswith("Plumbline: train of demo refused\ntoo weak\nrun demo-2026")
    assert texts[1].startswith("Plumbline: train of demo completed")
    assert len(texts) == 3


def test_the_command__tries_every_channel(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_STORE", str(store.root))
    assert run_command_line(["alerts", "test"]) == 2
    assert "alerts.yaml: there is no such file" in capsys.readouterr().err
    with hook_server(Hook()) as hook:
        monkeypatch.setenv("PLUMBLINE_WEBHOOK", hook.url)
        wanted(store, webhook={"url": "${PLUMBLINE_WEBHOOK}"})
        assert run_command_line(["alerts", "test", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["sent"] == {"webhook": "sent"}
        hook.status = 500
        assert run_command_line(["alerts", "test"]) == 3
    assert "not sent: 127.0.0.1: answers 500" in capsys.readouterr().out


def test_the_example_of_the_documentation__is_read(root: Path, tmp_path: Path) -> None:
    page = (root / "docs/how-to/alerts.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "alerts.yaml"
    path.write_text(text)
    known = {
        "PLUMBLINE_SMTP_PASSWORD": "x",
        "PLUMBLINE_WEBHOOK": "https://hooks.example/services/x",
    }
    alerts = load_alerts(path, known)
    assert None not in (alerts.email, alerts.webhook, alerts.file)
