"""One look at a line in service as one page: verdict, signals, and the way to Evidently's own pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from deploy.edge.files import write_bytes
from inspection.reporting.blocks import tile, tiles
from inspection.reporting.chapters.drift import drift_section
from inspection.reporting.markup import Html, tag
from inspection.reporting.shell import page, stamp
from inspection.reporting.top import heading
from inspection.reporting.watched import Drift, Watch
from inspection.reporting.wording import number as spoken
from inspection.reporting.wording import short

EACH = "Each signal against the bundle's reference."


@dataclass(frozen=True)
class MonitorReport:
    """What a monitoring run found. `evidently`: file names of Evidently's pages beside this one, by stream."""

    name: str
    created: datetime
    found: Watch
    bundle_digest: str
    period: str = ""
    evidently: Mapping[str, str] = field(default_factory=dict)


def write_monitor_report(found: MonitorReport, target: Path) -> Path:
    """Write the page to `target`, whole or not at all."""
    write_bytes(target, render_monitor_report(found).encode("utf-8"))
    return target


def render_monitor_report(report: MonitorReport) -> str:
    """The page as text."""
    verdicts = report.found.verdicts
    kind, headline = ("bad", "Drifted") if report.found.drifted else ("good", "Steady")
    figures = tiles(_figures(report))
    top = heading(
        report.name, stamp(report.created), kind, headline, report.found.sentence, figures
    )
    sections = [
        drift_section(
            verdict,
            _distance(verdict),
            _way(report.evidently.get(verdict.stream, "")),
            lead=verdict.sentence if len(verdicts) > 1 else EACH,
            number=number,
        )
        for number, verdict in enumerate(verdicts)
    ]
    title = f"{report.name} · Plumbline monitor"
    return page(title, "Monitor report", report.created, top, sections)


def _figures(report: MonitorReport) -> list[Html]:
    verdicts = report.found.verdicts
    drifted = sum(signal.drifted for verdict in verdicts for signal in verdict.signals)
    signals = sum(len(verdict.signals) for verdict in verdicts)
    images = sum(verdict.images for verdict in verdicts)
    few = "; ".join(report.found.too_small)
    return [
        tile("Images looked at", f"{images:,}", report.period),
        tile(
            "Held against",
            f"{max(verdict.reference_images for verdict in verdicts):,}",
            "images of the validation split",
        ),
        tile("Signals that drifted", f"{drifted} of {signals}"),
        tile("Streams judged", f"{len(verdicts)}", f"too few images: {few}" if few else ""),
        tile("Bundle", short(report.bundle_digest, 8), "digest of its manifest"),
    ]


def _distance(verdict: Drift) -> Html:
    words = (
        "Fréchet distance between the clouds of embeddings (for people; no threshold hangs on it): "
    )
    return tag("p", words, spoken(verdict.distance), class_="note")


def _way(evidently: str) -> Html | None:
    if not evidently:
        return None
    link = tag("a", "Evidently's report", href=f"./{quote(evidently)}")
    return tag("p", "Distributions in detail: ", link)
