"""The monitor's page: verdict, signals, and a safe way to Evidently's file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from inspection.reporting.monitor_report import (
    MonitorReport,
    render_monitor_report,
    write_monitor_report,
)
from tests.unit.reporting_audit import audit
from tests.unit.reporting_material import NOW, drift

FOUND = MonitorReport(
    name="line 3",
    created=NOW,
    drift=drift(),
    bundle_digest="ab" * 32,
    period="2026-11-20 to 2026-11-21",
    evidently="drift evidently.html",
)


def test_a_drifted_batch_names_its_signals() -> None:
    found = audit(render_monitor_report(FOUND))
    assert "Drifted" in found.text
    assert FOUND.drift.sentence in found.text
    assert "1 of 4" in found.text
    assert found.text.count("steady") == 3
    assert "median 61 was 212" in found.text
    assert "4 × 10⁻⁴" in found.text
    assert found.crossed == []


def test_a_steady_batch_says_so() -> None:
    verdict = drift()
    quiet = dataclasses.replace(
        verdict,
        drifted=False,
        signals=tuple(s for s in verdict.signals if not s.drifted),
        sentence="Nothing has moved.",
    )
    text = audit(render_monitor_report(dataclasses.replace(FOUND, drift=quiet))).text
    assert "Steady" in text
    assert "Nothing has moved." in text
    assert "0 of 3" in text


def test_the_way_to_evidently_stays_beside_the_page() -> None:
    assert "./drift%20evidently.html" in audit(render_monitor_report(FOUND)).values("href")
    hostile = dataclasses.replace(FOUND, evidently="javascript:alert(1)")
    assert "./javascript%3Aalert%281%29" in audit(render_monitor_report(hostile)).values("href")
    without = dataclasses.replace(FOUND, evidently="")
    assert "Evidently" not in render_monitor_report(without)


def test_it_is_written_whole(tmp_path: Path) -> None:
    target = write_monitor_report(FOUND, tmp_path / "deep" / "monitor.html")
    assert target.read_text(encoding="utf-8") == render_monitor_report(FOUND)
    assert [p.name for p in target.parent.iterdir()] == ["monitor.html"]
