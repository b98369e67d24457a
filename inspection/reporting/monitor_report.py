"""One look at a line in service as one page: verdict, signals, and the way to Evidently's own pictures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from deploy.edge.files import write_bytes
from inspection.reporting.blocks import tile, tiles
from inspection.reporting.chapters.drift import drift_section
from inspection.reporting.markup import tag
from inspection.reporting.run_report import Drift
from inspection.reporting.shell import page, stamp
from inspection.reporting.top import heading
from inspection.reporting.wording import short


@dataclass(frozen=True)
class MonitorReport:
    """What a monitoring run found. `evidently`: file name of Evidently's page beside this one, or empty."""

    name: str
    created: datetime
    drift: Drift
    bundle_digest: str
    period: str = ""
    evidently: str = ""


def write_monitor_report(found: MonitorReport, target: Path) -> Path:
    """Write the page to `target`, whole or not at all."""
    write_bytes(target, render_monitor_report(found).encode("utf-8"))
    return target


def render_monitor_report(found: MonitorReport) -> str:
    """The page as text."""
    drifted = [signal for signal in found.drift.signals if signal.drifted]
    kind, headline = ("bad", "Drifted") if found.drift.drifted else ("good", "Steady")
    figures = tiles(
        [
            tile("Images looked at", f"{found.drift.images:,}", found.period),
            tile(
                "Held against",
                f"{found.drift.reference_images:,}",
                "images of the validation split",
            ),
            tile("Signals that drifted", f"{len(drifted)} of {len(found.drift.signals)}"),
            tile("Bundle", short(found.bundle_digest, 8), "digest of its manifest"),
        ]
    )
    top = heading(found.name, stamp(found.created), kind, headline, found.drift.sentence, figures)
    way = (
        tag(
            "p",
            "Distributions in detail: ",
            tag("a", "Evidently's report", href=f"./{quote(found.evidently)}"),
        )
        if found.evidently
        else None
    )
    section = drift_section(found.drift, way, lead="Each signal against the bundle's reference.")
    return page(
        f"{found.name} · Plumbline monitor", "Monitor report", found.created, top, [section]
    )
