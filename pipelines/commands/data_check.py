"""`plumbline data check`: the gate's questions, image quality, and the reviewed profile."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from inspection.errors import CheckFailed, UserError
from pipelines.commands.target import checked_target, outside_images, page_target, replaceable
from pipelines.output import Answer, Table, data_command

if TYPE_CHECKING:
    from data_checks.quality import QualityReport
    from data_checks.results import CheckResult, GateReport
    from inspection.data.index import ImageIndex


def check_index(
    index: Path,
    profile: Path | None,
    write_profile: Path | None,
    *,
    quality: bool,
    page: Path | None,
    force: bool = False,
) -> Answer:
    """Every answer about the index and its files; exit code 3 when a critical one is negative."""
    from data_checks.expectations import validate_index
    from data_checks.files_there import check_files, file_faults
    from data_checks.profile import load_profile
    from data_checks.profile_gate import validate_profile
    from data_checks.quality import check_quality, measure_quality
    from inspection.config import ChecksConfig
    from inspection.data.index import ImageIndex

    if page is not None and not quality:
        raise UserError("--page shows the quality of the images: leave --no-quality out")
    _check_names(write_profile, page)
    asked = None if profile is None else load_profile(profile)
    table, checks = ImageIndex.load(index), ChecksConfig()
    _check_places(table, write_profile, page, force=force)
    gate, lines = validate_index(table, checks), []
    measured = measure_quality(table, checks) if quality else None
    faults = file_faults(table) if measured is None else measured.faults
    gate = gate.with_results(*check_files(table, faults))
    if measured is not None:
        gate = gate.with_results(*check_quality(measured))
        lines.append(measured.sentence)
    if asked is not None:
        gate = gate.with_results(*validate_profile(table, asked).results)
    lines += _written(table, measured, write_profile, page, index.stem)
    return _answer(gate, lines, index, table, gone=bool(faults))


def _check_names(profile: Path | None, page: Path | None) -> None:
    """Before the index is opened: the targets are meant as a profile and a page."""
    if profile is not None:
        checked_target(profile, ".json")
    if page is not None:
        checked_target(page, ".html")


def _check_places(
    table: ImageIndex, profile: Path | None, page: Path | None, *, force: bool
) -> None:
    """A profile is reviewed by people, so even one of our own is replaced only by `force`."""
    from inspection.reporting.quality_page import KIND

    if profile is not None:
        replaceable(outside_images(profile, table.root), own=False, force=force)
    if page is not None:
        page_target(page, table.root, KIND, force=force)


def _written(
    table: ImageIndex,
    measured: QualityReport | None,
    profile: Path | None,
    page: Path | None,
    name: str,
) -> list[str]:
    """Write what was asked for; a line about each."""
    from data_checks.profile import profile_of
    from inspection.reporting.quality_page import write_quality_page

    lines = []
    if profile is not None:
        profile_of(table, measured).save(profile)
        lines.append(f"Profile      {profile}: look at it, then check with --profile {profile}")
    if page is not None and measured is not None:
        write_quality_page(measured, table, page, created=datetime.now(UTC), name=name)
        lines.append(f"Page         {page}")
    return lines


def _answer(
    gate: GateReport, lines: list[str], index: Path, table: ImageIndex, *, gone: bool
) -> Answer:
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
        next=[_following(gate, index, table, gone=gone)],
        exit_code=0 if gate.passed else CheckFailed.exit_code,
    )


def _following(gate: GateReport, index: Path, table: ImageIndex, *, gone: bool) -> str:
    """What helps next: pictures that are gone cannot be looked at."""
    if gate.passed:
        return data_command("dedupe", index)
    if gone and table.root.is_dir():
        return data_command("import", table.root, "--out", index)
    return data_command("view", index)


def _state(result: CheckResult) -> str:
    if result.passed:
        return "passed"
    return "refused" if result.severity == "critical" else "warning"
