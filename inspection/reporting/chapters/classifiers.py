"""Chapter: every way to classify that the run fitted, on the same test images."""

from __future__ import annotations

from inspection.reporting.blocks import Section
from inspection.reporting.classifier_tables import classifiers_cards, leading
from inspection.reporting.run_report import RunReport


def classifiers(run: RunReport) -> Section | None:
    """Probe and MLP on frozen features, probe on tuned ones, student: side by side."""
    found = run.classifiers
    if found is None:
        return None
    title = "Classifiers side by side"
    return Section("classifiers", "Classifiers", title, leading(found), classifiers_cards(found))
