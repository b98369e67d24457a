"""One export as one offline page: what was chosen and why, what it does to decisions, what is still open."""

from __future__ import annotations

from pathlib import Path

from deploy.edge.files import write_bytes
from inspection.reporting.blocks import tile, tiles
from inspection.reporting.chapters.export_decisions import classes, decisions, pending
from inspection.reporting.chapters.export_graphs import calibration, islands, sensitivity
from inspection.reporting.chapters.export_plan import candidates, speed
from inspection.reporting.chapters.promotion import gate_section
from inspection.reporting.export_run import ExportReport
from inspection.reporting.markup import Html, tag
from inspection.reporting.shell import page, stamp
from inspection.reporting.top import heading
from inspection.reporting.wording import count, milliseconds, short, small


def write_export_report(found: ExportReport, target: Path) -> Path:
    """Write the page to `target`, whole or not at all."""
    write_bytes(target, render_export_report(found).encode("utf-8"))
    return target


def render_export_report(found: ExportReport) -> str:
    """The page as text, in the order of a reader's questions."""
    sections = (
        candidates(found.plan),
        speed(found.plan),
        decisions(found.certificate),
        classes(found.certificate),
        pending(found),
        sensitivity(found.plan),
        islands(found.plan),
        calibration(found.plan),
        gate_section(found.gate),
    )
    shown = [section for section in sections if section is not None]
    title = f"{found.name} · Plumbline export"
    return page(title, "Export report", found.created, _top(found), shown, extra="export")


def _top(found: ExportReport) -> Html:
    runs = found.plan.plans["onnxruntime"]
    kind, headline = (
        ("good", f"{runs.variant} is chosen")
        if found.gate.passed
        else ("bad", "Refused by the gate")
    )
    sentence = found.plan.sentence if found.gate.passed else found.gate.sentence
    command = (
        tag("p", tag("code", f"$ {found.command}"), class_="command") if found.command else None
    )
    then = f"plumbline-edge verify {found.bundle} {found.edge_options}"
    following = tag("p", "Next: ", tag("code", then), class_="next") if found.gate.passed else None
    figures = tiles(_figures(found, runs.variant))
    return heading(
        found.name, stamp(found.created), kind, headline, sentence, figures, command, following
    )


def _figures(found: ExportReport, runs: str) -> list[Html]:
    fates = [one.fate for one in found.plan.precisions]
    rows = found.certificate.rows
    open_rows = sum(row.measured is None and row.status == "pending" for row in rows)
    figures = [
        tile("Runs here", runs, _time(found, runs)),
        _decided(found, runs),
        tile(
            "Beside FP32",
            f"{len(fates)} tried",
            f"{fates.count('refused')} refused",
            f"{fates.count('kept')} kept for other devices, {fates.count('pending')} pending",
        ),
        tile(
            "Certificate rows still open",
            f"{open_rows} of {len(rows)}",
            "a device fills them" if open_rows else "",
        ),
    ]
    return [figure for figure in figures if figure is not None]


def _time(found: ExportReport, runs: str) -> str:
    timed = (one for one in found.plan.timed if (one.engine, one.variant) == ("onnxruntime", runs))
    one = next(timed, None)
    return f"{milliseconds(one.median_ms)} per image, {one.way}" if one else ""


def _decided(found: ExportReport, runs: str) -> Html | None:
    """What the certificate says of the precision that runs."""
    rows = (row for row in found.certificate.rows if row.conversion == f"onnxruntime {runs}")
    row = next(rows, None)
    if row is None or row.measured is None:
        return None
    seen = row.measured
    return tile(
        "Decisions it changes",
        f"{seen.flips} of {seen.images:,}",
        f"{count(seen.crossings, 'threshold')} crossed, max |Δp| {small(seen.max_delta)}",
        f"test set {short(found.certificate.test_digest, 8)}",
    )
