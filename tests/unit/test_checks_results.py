from __future__ import annotations

import pytest

from data_checks.results import MAX_ROWS, CheckResult, GateReport, OffendingRow, limited_rows
from inspection.errors import CheckFailed


def result(name: str, *, passed: bool = True, **more: object) -> CheckResult:
    values = {"observed": "3 of 9 images", "limit": "none", "advice": "mend it", **more}
    return CheckResult(name, passed, **values)  # type: ignore[arg-type]  # keywords by name


def test_sentence__names_rule_value_limit_files_and_remedy() -> None:
    failed = result("size", passed=False, rows=("a.png", "b.png", "c.png", "d.png"), count=9)

    assert failed.sentence == (
        "size: 3 of 9 images, allowed none [a.png, b.png, c.png and 6 more]; mend it"
    )


def test_sentence__of_a_question_that_could_not_be_asked_is_not_about_the_data() -> None:
    failed = result("size", passed=False, error="no such column")

    assert failed.sentence == "size: could not be checked (no such column)"


def test_gate__closes_on_critical_and_only_warns_on_warning() -> None:
    warned = GateReport.of(
        (result("a"), result("b", passed=False, severity="warning")), images=9, quarantined=2
    )
    refused = GateReport.of((result("a", passed=False), result("b")), images=9, quarantined=2)

    assert warned.passed
    assert [r.name for r in warned.cautions] == ["b"]
    assert "7 of 9 images usable" in warned.sentence
    assert "1 with a warning" in warned.sentence
    warned.require()
    assert not refused.passed
    with pytest.raises(CheckFailed, match=r"1 of 2 checks.*a: 3 of 9 images.*mend it"):
        refused.require()
    assert CheckFailed.exit_code == 3


def test_offending__lists_each_file_with_each_question_it_fails() -> None:
    report = GateReport.of(
        (
            result("x", passed=False, rows=("b.png", "a.png")),
            result("y", passed=False, rows=("a.png",)),
        ),
        images=2,
        quarantined=0,
    )

    assert report.offending == (
        OffendingRow("a.png", "x"),
        OffendingRow("a.png", "y"),
        OffendingRow("b.png", "x"),
    )


def test_report__survives_json() -> None:
    report = GateReport.of((result("a", rows=("p.png",)),), images=1, quarantined=0)

    assert GateReport.from_json(report.to_json()) == report


def test_limited_rows__sorts_and_cuts() -> None:
    rows = limited_rows([f"{number:04d}" for number in range(MAX_ROWS + 50)][::-1])

    assert len(rows) == MAX_ROWS
    assert rows[0] == "0000"


def test_sentence__of_a_passed_question_says_what_was_seen() -> None:
    assert result("size").sentence == "size: 3 of 9 images (none)"


def test_gate__asks_later_questions_too() -> None:
    first = GateReport.of((result("a"),), images=9, quarantined=2)
    warned = first.with_results(result("b", passed=False, severity="warning"))

    assert warned.passed
    assert [r.name for r in warned.results] == ["a", "b"]
    assert (warned.images, warned.quarantined) == (9, 2)
    assert not warned.with_results(result("c", passed=False)).passed
