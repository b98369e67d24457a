"""`plumbline data check`: the gate's questions, image quality, and the reviewed profile."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.errors import CheckFailed, UserError
from pipelines.commands.target import checked_target
from pipelines.output import Answer, Table

if TYPE_CHECKING:
    from data_checks.results import CheckResult, GateReport


def check_index(
    index: Path,
    profile: Path | None,
    write_profile: Path | None,
    *,
    quality: bool,
    page: Path | None,
) -> Answer:
    """Every answer about the index; exit code 3 when a critical one is negative."""
    from data_checks.expectations import validate_index
    from data_checks.profile import load_profile, profile_of
    from data_checks.profile_gate import validate_profile
    from data_checks.quality import check_quality, measure_quality
    from inspection.config import ChecksConfig
    from inspection.data.index import ImageIndex
    from inspection.reporting.quality_page import write_quality_page

    target = None if write_profile is None else checked_target(write_profile, ".json")
    shown = None if page is None else checked_target(page, ".html")
    if shown is not None and not quality:
        raise UserError("--page shows the quality of the images: leave --no-quality out")
    asked = None if profile is None else load_profile(profile)
    table, checks = ImageIndex.load(index), ChecksConfig()
    gate, lines = validate_index(table, checks), []
    measured = measure_quality(table, checks) if quality else None
    if measured is not None:
        gate = gate.with_results(*check_quality(measured))
        lines.append(measured.sentence)
    if asked is not None:
        gate = gate.with_results(*validate_profile(table, asked).results)
    if target is not None:
        profile_of(table, measured).save(target)
        lines.append(f"Profile      {target}: look at it, then check with --profile {target}")
    if shown is not None and measured is not None:
        write_quality_page(measured, table, shown, created=datetime.now(UTC), name=index.stem)
        lines.append(f"Page         {shown}")
    return _answer(gate, lines, index)


def _answer(gate: GateReport, lines: list[str], index: Path) -> Answer:
    rows = [(_state(r), r.name, r.sentence.removeprefix(f"{r.name}: ")) for r in gate.results]
    order = {"refused": 0, "warning": 1, "passed": 2}
    rows.sort(key=lambda row: order[row[0]])
    return Answer(
        document={
            "passed": gate.passed,
            "images": gate.images,
            "quarantined": gate.quarantined,
            "checks": [
                {"name": r.name, "state": _state(r), "observed": r.observed, "rows": list(r.rows)}
                for r in gate.results
            ],
        },
        table=Table(("answer", "check", "what was seen"), rows),
        lines=[*lines, gate.sentence if gate.passed else f"Refused: {gate.sentence}"],
        next=[f"plumbline data dedupe {index}"]
        if gate.passed
        else [f"plumbline data view {index}"],
        exit_code=0 if gate.passed else CheckFailed.exit_code,
    )


def _state(result: CheckResult) -> str:
    if result.passed:
        return "passed"
    return "refused" if result.severity == "critical" else "warning"
