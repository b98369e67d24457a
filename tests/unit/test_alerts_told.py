"""Which news is told and which held back, what `alerts.yaml` may say, and that nothing here changes a run's end."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from inspection.errors import ConfigError, Refused
from inspection.store import Store
from pipelines.alerts.config import load_alerts
from pipelines.alerts.told import Event, origin_of_firing, origin_of_run, record_of, tell
from pipelines.cli import run_command_line
from pipelines.launcher.launch import flight
from pipelines.settings import FIRING
from tests.mail_server import Hook, hook_server
from tests.unit.alerts_material import NOW, Captured, event, records, store, wanted

__all__ = ["store"]


def test_without_a_file__nobody_asked_and_nothing_is_made(store: Store) -> None:
    assert tell(store, {}, event(), NOW) == {}
    assert not store.root.exists()


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


def test_a_wrong_webhook__is_not_repeated_where_others_could_read_it(store: Store) -> None:
    store.root.mkdir()
    path = store.root / "alerts.yaml"
    path.write_text("webhook: {url: 'hooks.example/T0/s3cret'}")
    with pytest.raises(ConfigError) as caught:
        load_alerts(path, {}, store.root)
    assert "s3cret" not in str(caught.value.faults)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("emial: {}", "unknown key: did you mean 'email'?"),
        ("timeout: 5", "nobody is told"),
        (
            "webhook: {url: 'ftp://x'}",
            "webhook.url: begin with http:// or https:// and a server's name",
        ),
        ("webhook: {url: '${NO_SUCH_HOOK}'}", "${NO_SUCH_HOOK} is not set"),
        ("file: a.jsonl\nwindow: 60", "write a duration of up to 30 days with its units"),
        ("file: a.jsonl\ntell: [broken]", "input should be 'failed'"),
        (
            "email: {host: h, sender: a, to: [b@c]}",
            "email.sender: write one mail address alone",
        ),
        (
            "email: {host: h, sender: a@b, to: [b@c], user: u}",
            "its password is not set; export PLUMBLINE_SMTP_PASSWORD",
        ),
        (
            "email: {host: h, sender: a@b, to: [b@c], user: u, security: none}",
            "would send the password in the clear",
        ),
        ("email: {host: h, sender: a@b, to: [b@c], password: p}", "email.password: unknown key"),
        ("webhook: {url: 'https://x', ca: no.pem}", "store/no.pem'; mend the path"),
        ("- 1", "holds a list"),
        ("", "is empty; lines such as 'window: 1h', see docs/how-to/alerts.md"),
    ],
)
def test_faults_of_the_file__a_sentence_each_and_never_the_runs_end(
    store: Store, text: str, says: str, capsys: Captured
) -> None:
    store.root.mkdir()
    path = store.root / "alerts.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_alerts(path, {}, store.root)
    assert any(says in fault for fault in caught.value.faults), caught.value.faults
    assert "alerts" in tell(store, {}, event(), NOW)
    assert says.split(";")[0] in capsys.readouterr().err


def test_an_unset_name__is_one_fault_with_what_alerts_takes(store: Store) -> None:
    wanted(store, webhook={"url": "${NO_SUCH_HOOK}"})
    path = store.root / "alerts.yaml"
    with pytest.raises(ConfigError) as caught:
        load_alerts(path, {}, store.root)
    assert caught.value.faults == (
        f"{path}: webhook.url: ${{NO_SUCH_HOOK}} is not set; export NO_SUCH_HOOK=… (or put it in .env), "
        "or write webhook.url out in the file",
    )


def test_a_relative_file__lies_in_the_store_wherever_the_command_was_typed(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted(store, file="lines.jsonl")
    assert tell(store, {}, event(), NOW) == {"file": "sent"}
    assert (store.root / "lines.jsonl").is_file()
    assert not (tmp_path / "lines.jsonl").exists()


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
    said = capsys.readouterr().out
    assert "not sent: 127.0.0.1: answers 500" in said
    assert "Tells of  failed, refused" in said
    kept = [(one["what"], one["outcome"]["webhook"][:4]) for one in records(store)]
    assert kept == [("test of alerts", "sent"), ("test of alerts", "not ")]


def test_the_example_of_the_documentation__is_read(root: Path, tmp_path: Path) -> None:
    page = (root / "docs/how-to/alerts.md").read_text()
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "alerts.yaml"
    path.write_text(text)
    known = {
        "PLUMBLINE_SMTP_PASSWORD": "x",
        "PLUMBLINE_WEBHOOK": "https://hooks.example/services/x",
    }
    alerts = load_alerts(path, known, tmp_path)
    assert None not in (alerts.email, alerts.webhook)
    assert alerts.file == tmp_path / "alerts-of-line-3.jsonl"
