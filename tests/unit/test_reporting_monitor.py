"""The monitor's page: verdict, likely cause, signals by stream, and a safe way to Evidently's files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from data_checks.drift import DriftVerdict, Watched
from inspection.config import EconomicsConfig
from inspection.evaluation.economics import Rule
from inspection.evaluation.in_service import InService, in_service
from inspection.reporting.monitor_report import (
    MonitorReport,
    render_monitor_report,
    write_monitor_report,
)
from tests.unit.reporting_audit import audit
from tests.unit.reporting_material import NOW, drift


def watched(*verdicts: DriftVerdict, too_small: tuple[str, ...] = ()) -> Watched:
    drifted = any(verdict.drifted for verdict in verdicts)
    sentence = "; ".join(verdict.sentence for verdict in verdicts)
    return Watched(drifted, sentence, verdicts, too_small)


FOUND = MonitorReport(
    name="line 3",
    created=NOW,
    found=watched(drift()),
    bundle_digest="ab" * 32,
    period="2026-11-20 to 2026-11-21",
    evidently={"": "drift evidently.html"},
)


def quiet(stream: str = "") -> DriftVerdict:
    verdict = drift()
    steady = tuple(signal for signal in verdict.signals if not signal.drifted)
    return DriftVerdict(False, steady, 80, 60, "Nothing has moved.", stream)


def test_a_drifted_batch_names_its_signals_and_the_cause() -> None:
    found = audit(render_monitor_report(FOUND))
    assert "Drifted" in found.text
    assert FOUND.found.sentence in found.text
    assert "1 of 4" in found.text
    assert found.text.count("steady") == 3
    assert "median 61 was 212" in found.text
    assert "4 × 10⁻⁴" in found.text
    assert "focus or lens: coarseness moved by -2.1 spreads." in found.text
    assert "clean the lens, then focus again" in found.text
    assert "3.25" in found.text
    assert found.crossed == []


def test_a_steady_batch_says_so_and_names_no_cause() -> None:
    steady = dataclasses.replace(FOUND, found=watched(quiet()))
    text = audit(render_monitor_report(steady)).text
    assert "Steady" in text
    assert "Nothing has moved." in text
    assert "0 of 3" in text
    assert "Likely cause" not in text


def test_streams_stand_apart_and_small_ones_are_named() -> None:
    left = dataclasses.replace(drift(), stream="line 3, camera left")
    found = watched(left, quiet("line 3, camera right"), too_small=("line 4: 3 images",))
    pages = {"line 3, camera right": "evidently-1.html"}
    report = dataclasses.replace(FOUND, found=found, evidently=pages)
    audited = audit(render_monitor_report(report))

    assert "Drift, line 3, camera left" in audited.text
    assert "Drift, line 3, camera right" in audited.text
    assert "1 of 7" in audited.text
    assert "too few images: line 4: 3 images" in audited.text
    assert {"#drift", "#drift-1", "./evidently-1.html"} <= set(audited.values("href"))
    assert audited.crossed == []


def test_the_way_to_evidently_stays_beside_the_page() -> None:
    assert "./drift%20evidently.html" in audit(render_monitor_report(FOUND)).values("href")
    hostile = dataclasses.replace(FOUND, evidently={"": "javascript:alert(1)"})
    assert "./javascript%3Aalert%281%29" in audit(render_monitor_report(hostile)).values("href")
    without = dataclasses.replace(FOUND, evidently={})
    assert "Evidently" not in render_monitor_report(without)


def test_more_rejects_than_the_reference_shows_are_told_in_a_table() -> None:
    def decided(rejected: int) -> InService | None:
        batch, reference = (
            np.repeat([[0.1, 0.9], [0.9, 0.1]], [hits, total - hits], axis=0)
            for hits, total in ((rejected, 200), (8, 200))
        )
        return in_service(batch, reference, ("ok", "dent"), Rule("ok"), EconomicsConfig())

    def page(rejected: int) -> str:
        verdict = dataclasses.replace(drift(), decided=decided(rejected))
        return render_monitor_report(dataclasses.replace(FOUND, found=watched(verdict)))

    loud = audit(page(30))
    assert (
        "Rejected 15.0 % (10.4 to 20.7) of 200, on the reference 4.0 %: clearly more." in loud.text
    )
    assert "30 of 200" in loud.text
    assert loud.crossed == []
    assert "clearly" not in audit(page(9)).text
    assert "What was decided" not in audit(render_monitor_report(FOUND)).text


def test_it_is_written_whole(tmp_path: Path) -> None:
    target = write_monitor_report(FOUND, tmp_path / "deep" / "monitor.html")
    assert target.read_text(encoding="utf-8") == render_monitor_report(FOUND)
    assert [p.name for p in target.parent.iterdir()] == ["monitor.html"]
