"""`plumbline drift` as a user meets it: the history of a line, and Evidently's pages on this machine only."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data_checks.drift import detect_drift, watch_streams
from data_checks.drift_cause import REMEDIES
from data_checks.drift_history import Batch, Remembered, history, remember
from data_checks.drift_outcomes import with_outcomes
from data_checks.drift_report import report_streams
from deploy.edge.spec import Decision
from inspection.config import EconomicsConfig, LoopConfig, MonitorConfig
from inspection.evaluation.confirming import rule_words
from inspection.store import Store
from pipelines.cli import run_command_line
from pipelines.commands.monitor import verdict_lines
from pipelines.launcher.launch import flight
from tests.unit.checks_material import batch

Captured = pytest.CaptureFixture[str]
CLASSES = ("ok", "dent", "pit")
REFERENCE = batch(0, 90)
LIGHTS = ((8, 0.0), (9, -30.0), (10, -30.0))


@pytest.fixture
def drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Any:
    """Run `plumbline drift …`: what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_STORE", str(tmp_path / "store"))

    def run(*arguments: object, code: int = 0) -> str:
        found = run_command_line(["drift", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert found == code, err + out
        return out + err

    return run


def judged(
    store: Path, decision: Decision | None = None, lights: Sequence[tuple[int, float]] = LIGHTS
) -> Remembered:
    """A steady batch and two dark ones; with `decision`, what was made of their parts. The last one's records."""
    for hour, light in lights:
        seen = batch(hour, 60, light=light)
        found = watch_streams(seen, REFERENCE, MonitorConfig(), CLASSES)
        if decision is not None:
            found = with_outcomes(found, seen, REFERENCE, CLASSES, decision, EconomicsConfig())
        times = {"": f"2026-11-20T{hour:02d}:00:00.000+00:00"}
        kept = remember(
            store / "drift" / "records",
            found,
            Batch("line3", "ab" * 32, times, "r.html"),
            LoopConfig(),
        )
    return kept


def test_history__says_steady_alarm_confirmed(drift: Any, tmp_path: Path) -> None:
    judged(tmp_path / "store")

    lines = drift("history", "line3").splitlines()[:3]
    assert lines[0] == "2026-11-20T08:00:00 steady (60 images, abababab)"
    assert lines[1] == "2026-11-20T09:00:00 alarm: light (60 images, abababab)"
    assert lines[2] == "2026-11-20T10:00:00 confirmed: light (60 images, abababab)"
    (last,) = json.loads(drift("history", "line3", "--last", 1, "--json"))["records"]
    assert (last["drifted"], last["confirmed"], last["cause"]) == (True, True, "light")
    assert {"name", "score", "effect"} == set(last["signals"][0])


def test_history__a_calm_batch_of_a_confirmed_drift_is_told_as_both(
    drift: Any, tmp_path: Path
) -> None:
    judged(tmp_path / "store", lights=(*LIGHTS, (11, 0.0)))

    (line, *_) = drift("history", "line3", "--last", 1).splitlines()
    assert line == (
        "2026-11-20T11:00:00 steady, drift still confirmed: light (60 images, abababab)"
    )
    (last,) = json.loads(drift("history", "line3", "--last", 1, "--json"))["records"]
    assert last["still"]["remedy"] == REMEDIES["light"]
    assert last["still"]["time"].startswith("2026-11-20T10:00:00")


@pytest.mark.parametrize(
    ("here", "streams", "says"),
    [
        (True, [], "drift, confirmed by 2 of the last 3 batches"),
        (False, [""], "drift; the stream's drift is still confirmed by 2 of the last 3 batches"),
        (False, ["a", "b"], "drift; the drift of 'a' and 'b' is still confirmed by 2 of"),
        (True, ["a"], "drift, confirmed by 2 of the last 3 batches; the drift of 'a' is still"),
        (False, [], "drift"),
    ],
)
def test_monitor__says_what_is_confirmed_and_what_is_calm(
    here: bool, streams: list[str], says: str, tmp_path: Path
) -> None:
    (record,) = judged(tmp_path / "store", lights=(*LIGHTS, (11, 0.0))).records
    assert record.still is not None
    told = {
        "drifted": here,
        "sentence": "drift",
        "confirmed_by": rule_words(record.confirm, record.window),
        "confirmed_here": here,
        "still": [{"stream": one, **vars(record.still)} for one in streams],
    }
    first, *others = verdict_lines(told)
    assert first[10:].startswith(says)
    assert len(others) == len(streams)
    assert all(REMEDIES["light"] in line and "r.html" in line for line in others)


def test_history__tells_what_was_rejected(drift: Any, tmp_path: Path) -> None:
    judged(tmp_path / "store", Decision("ok", 0.5))

    (last,) = json.loads(drift("history", "line3", "--last", 1, "--json"))["records"]
    rejected = last["decided"]["rejected"]
    share = rejected["batch"]["hits"] / 60
    assert 0 < share < 1
    assert rejected["reference"]["total"] == 90
    assert f"(60 images, rejected {share:.1%}, abababab)" in drift("history", "line3")


@pytest.mark.parametrize("decision", [Decision("ok", 0.5), Decision()])
def test_status__shows_the_newest_batch_s_share_of_rejects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, decision: Decision
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_STORE", str(tmp_path / "store"))
    judged(tmp_path / "store", decision)
    (newest,) = [r for r in history(tmp_path / "store/drift/records", "line3") if r.confirmed]
    (tmp_path / "line.yaml").write_text("name: line3\ndata: {kind: folder, root: images}\n")

    assert run_command_line(["status", "line.yaml", "--out", "page.html"]) == 0

    capsys.readouterr()
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    if decision.ok_class is None:
        assert newest.decided is None
        assert " %</td>" not in page
    else:
        assert newest.decided is not None
        assert f"{newest.decided.rejected.batch.value * 100:.1f} %</td>" in page


@pytest.mark.parametrize(
    "made", [{"sentence": "no drift: 60 images"}, {"gate": {"sentence": "no drift: 60 images"}}]
)
def test_status__a_run_that_ended_well_says_what_it_found(
    made: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_STORE", str(tmp_path / "store"))
    (tmp_path / "line.yaml").write_text("name: line3\ndata: {kind: folder, root: images}\n")
    with flight("monitor", "line3", Store(tmp_path / "store"), lambda: datetime.now(UTC)) as trip:
        trip.note(made=made)

    assert run_command_line(["status", "line.yaml", "--out", "page.html"]) == 0
    capsys.readouterr()
    assert "<td>no drift: 60 images</td>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_nothing_judged_yet__is_one_line(drift: Any, tmp_path: Path) -> None:
    said = drift("history", "line3", code=2)
    assert "no batch of 'line3' was judged" in said
    assert "plumbline monitor" in said
    assert "no batch was judged yet" in drift("ui", code=2)
    assert not (tmp_path / "store").exists()


@pytest.mark.process
@pytest.mark.slow
def test_ui__serves_the_batches_on_this_machine_only(tmp_path: Path) -> None:
    store, dark = tmp_path / "store", batch(1, 60, light=-30)
    found = watch_streams(dark, REFERENCE, MonitorConfig(), CLASSES)
    assert detect_drift(dark, REFERENCE, MonitorConfig(), CLASSES).drifted
    kept = (store / "drift" / "evidently", "line3", datetime(2026, 11, 20, tzinfo=UTC))
    report_streams(dark, REFERENCE, found, CLASSES, tmp_path, kept)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipelines.entry", "drift", "ui", "--port", str(port)]
    server = subprocess.Popen(command, env={**os.environ, "PLUMBLINE_STORE": str(store)})
    try:
        projects = _asked(f"http://127.0.0.1:{port}/api/projects")
        assert [project["name"] for project in projects] == ["line3"]
        assert _listening(port) == {"0100007F"}, "loopback only"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)


def _asked(address: str) -> Any:
    for _ in range(300):
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return json.load(answer)
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server never came up")


def _listening(port: int) -> set[str]:
    """Addresses, as the kernel writes them, on which somebody listens at the port."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    rows = [row.split() for table in tables for row in table.read_text().splitlines()[1:]]
    places = [row[1].split(":") for row in rows if row[3] == "0A"]
    return {address for address, number in places if int(number, 16) == port}
