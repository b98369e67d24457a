"""One run as one page: self-contained, offline, for people who look at pictures."""

from __future__ import annotations

from pathlib import Path

from deploy.edge.files import write_bytes
from inspection.reporting.chapters.checks import checks
from inspection.reporting.chapters.classifiers import classifiers
from inspection.reporting.chapters.drift import drift
from inspection.reporting.chapters.duplicates import duplicates
from inspection.reporting.chapters.features import features
from inspection.reporting.chapters.images import images
from inspection.reporting.chapters.looked_at import looked_at
from inspection.reporting.chapters.mistakes import mistakes
from inspection.reporting.chapters.promotion import gate
from inspection.reporting.chapters.proof import certificate
from inspection.reporting.chapters.provenance import provenance
from inspection.reporting.chapters.quality import quality
from inspection.reporting.chapters.quarantine import quarantine
from inspection.reporting.chapters.search import search
from inspection.reporting.chapters.speed import speed
from inspection.reporting.chapters.training import training
from inspection.reporting.chapters.tuning import tuning
from inspection.reporting.run_report import RunReport
from inspection.reporting.shell import page
from inspection.reporting.thumbnails import Pictures
from inspection.reporting.top import top


def write_report(run: RunReport, target: Path) -> Path:
    """Write the page to `target`, whole or not at all."""
    write_bytes(target, render_report(run).encode("utf-8"))
    return target


def render_report(run: RunReport) -> str:
    """The page as text; chapters that a run did not reach are left out, what remains is told at the top."""
    pictures = Pictures(
        run.index,
        mask_threshold=run.config.data.mask_threshold,
        max_megapixels=run.config.checks.max_megapixels,
    )
    # In the order of a reader's questions: may it ship, how good, where wrong, at what cost; then how it came about.
    found = (
        gate(run),
        quality(run),
        classifiers(run),
        mistakes(run, pictures),
        looked_at(run, pictures),
        speed(run),
        certificate(run),
        search(run),
        training(run),
        features(run),
        tuning(run),
        images(run, pictures),
        checks(run),
        quarantine(run, pictures),
        duplicates(run, pictures),
        drift(run),
        provenance(run),
    )
    sections = [section for section in found if section is not None]
    return page(f"{run.name} · Plumbline run", "Run report", run.created, top(run), sections)
