"""Due times that passed while nobody looked: told once over real channels, and never at the scheduler's price."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.alerts.config import Alerts
from pipelines.schedule.book import Firing
from pipelines.schedule.loop import TOLD_OF, Scheduler
from pipelines.schedule.places import Places
from pipelines.schedule.told import tell_of
from tests.mail_server import HOST, Hook, Mailbox, hook_server, mail_server
from tests.unit.schedule_material import NOON, places_in, planned, statuses

HOUR = timedelta(hours=1)
Captured = pytest.CaptureFixture[str]


def scheduler(
    places: Places, at: datetime, told: Callable[[Firing], None] | None = None
) -> Scheduler:
    """One that starts nothing, as where the lock is taken, and tells whom `alerts.yaml` names."""
    return Scheduler(places, lambda _: None, lambda: at, told or (lambda f: tell_of(places, f)))


def wanted(places: Places, **sections: Any) -> Path:
    """Write `alerts.yaml`; a file is always told."""
    lines = places.store.root / "lines.jsonl"
    stated = {"timeout": 5, "file": str(lines), **sections}
    places.store.root.mkdir(exist_ok=True)
    (places.store.root / "alerts.yaml").write_text(yaml.safe_dump(stated))
    return lines


def told_in(lines: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = places_in(tmp_path)
    made.store.root.mkdir()
    made.book.add(planned(folder=tmp_path), NOON)
    return made


def test_a_night_that_was_missed__is_told_once_over_every_channel(places: Places) -> None:
    with mail_server(Mailbox()) as box, hook_server(Hook()) as hook:
        mail = {"host": HOST, "port": box.port, "security": "none", "sender": "line@plant.example"}
        lines = wanted(
            places, email={**mail, "to": ["shift@plant.example"]}, webhook={"url": hook.url}
        )
        for _ in range(3):  # one that is started again looks at the same book
            scheduler(places, NOON + 8 * HOUR).round()
        scheduler(places, NOON + 9 * HOUR).round()

    assert "Subject: Plumbline: schedule 'line' missed" in box.mails[0]
    said = (
        "missed from 2026-06-01 13:00 to 2026-06-01 19:00 UTC, given up by missed=one (7 due times)"
    )
    assert said in hook.bodies[0]["text"]
    (first, *later) = told_in(lines)
    assert (first["kind"], first["what"], first["sentence"]) == ("missed", "schedule 'line'", said)
    assert (len(box.mails), len(hook.bodies)) == (1 + len(later), 1 + len(later))
    assert [one["sentence"] for one in later] == [
        "waited for the lock 'default' until it was given up by missed=one"
    ]


def test_a_schedule_that_is_on_time__tells_nothing(places: Places) -> None:
    lines = wanted(places)
    scheduler(places, NOON + HOUR).round()
    assert statuses(places.book) == ["claimed"]
    assert told_in(lines) == []


def test_a_schedule_that_was_paused_or_removed__missed_nothing(places: Places) -> None:
    lines = wanted(places)
    places.book.pause("line")
    scheduler(places, NOON + 8 * HOUR).round()
    places.book.resume("line", NOON + 8 * HOUR)
    scheduler(places, NOON + 9 * HOUR).round()
    places.book.remove("line")
    places.book.add(planned("other"), NOON + 9 * HOUR)
    scheduler(places, NOON + 10 * HOUR).round()
    assert statuses(places.book, "line") == ["skipped"]
    assert told_in(lines) == []


def test_killed_between_writing_and_telling__the_next_one_tells(places: Places) -> None:
    def killed(_: Firing) -> None:
        raise KeyboardInterrupt

    lines = wanted(places)
    with pytest.raises(KeyboardInterrupt):
        scheduler(places, NOON + 8 * HOUR, killed).round()
    assert told_in(lines) == []
    scheduler(places, NOON + 9 * HOUR).round()
    assert "13:00 to 2026-06-01 19:00" in told_in(lines)[0]["sentence"]


def test_old_news__is_no_news(places: Places) -> None:
    def silent(_: Firing) -> None:
        return None

    scheduler(places, NOON + 8 * HOUR, silent).round()
    lines = wanted(places)
    places.book.pause("line")
    later = NOON + 8 * HOUR + TOLD_OF
    places.book.add(planned("other"), later)
    scheduler(places, later + HOUR).round()
    assert statuses(places.book, "other") == ["claimed"]
    assert told_in(lines) == []


def test_one_scheduler__does_not_ask_again_for_what_it_told(places: Places) -> None:
    told: list[str] = []
    clock = [NOON + 8 * HOUR]
    one = Scheduler(places, lambda _: None, lambda: clock[0], lambda f: told.append(f.label))
    for _ in range(3):
        one.round()
        clock[0] += HOUR
    assert len(told) == len(set(told)) == 3


def test_the_commands_are_started_before_anybody_is_told(places: Places) -> None:
    order: list[str] = []
    one = Scheduler(
        places,
        lambda _: order.append("start"),
        lambda: NOON + 8 * HOUR,
        lambda _: order.append("tell"),
    )
    one.round()
    assert order == ["start", "tell"]


def test_a_server_that_is_down__is_a_warning_and_the_round_goes_on(
    places: Places, capsys: Captured
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        port = taken.getsockname()[1]
    lines = wanted(places, webhook={"url": f"http://127.0.0.1:{port}/"})
    scheduler(places, NOON + 8 * HOUR).round()
    assert statuses(places.book) == ["skipped", "claimed"]
    assert "warning: alert by webhook not sent" in capsys.readouterr().err
    assert len(told_in(lines)) == 1


@pytest.mark.parametrize("fault", ["PLUMBLINE_STROE=x\n", "PLUMBLINE_TRACKING_URI=ftp://x\n"])
def test_a_dot_env_with_a_fault__is_a_warning_and_no_end_of_the_scheduler(
    places: Places, tmp_path: Path, capsys: Captured, fault: str
) -> None:
    wanted(places)
    (tmp_path / ".env").write_text(fault)
    scheduler(places, NOON + 8 * HOUR).round()
    assert statuses(places.book) == ["skipped", "claimed"]
    assert "warning: no alert was sent: " in capsys.readouterr().err


def test_who_does_not_want_to_know__is_not_told(places: Places) -> None:
    lines = wanted(places, tell=["failed"])
    scheduler(places, NOON + 8 * HOUR).round()
    assert told_in(lines) == []
    assert "missed" in Alerts(file=lines).tell
