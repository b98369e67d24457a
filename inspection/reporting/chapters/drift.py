"""Chapter: has what the camera sees moved away from what was learned, signal by signal."""

from __future__ import annotations

from inspection.reporting.blocks import Section, badge, card, table
from inspection.reporting.markup import Child, Html, tag
from inspection.reporting.run_report import Drift, RunReport, Signal
from inspection.reporting.wording import number, plain, small


def drift(run: RunReport) -> Section | None:
    """The signals of a run that looked for drift."""
    return None if run.drift is None else drift_section(run.drift)


def drift_section(found: Drift, *extra: Html | None, lead: str = "") -> Section:
    """The signals, each with its method and its threshold; opens with the verdict's sentence unless told otherwise."""
    body = table(
        ["signal", "what was seen", "method", "p-value", "threshold", "effect", "answer"],
        [_row(signal) for signal in found.signals],
        caption="Drift signals",
        numeric=frozenset({3, 4, 5}),
        kinds=["bad" if signal.drifted else "" for signal in found.signals],
    )
    return Section("drift", "Drift", "Drift", lead or found.sentence, card(body, *extra))


def _row(signal: Signal) -> list[Child]:
    return [
        tag("strong", plain(signal.name)),
        signal.detail,
        signal.method,
        small(signal.score),
        small(signal.threshold),
        number(signal.effect),
        badge("drifted", "bad") if signal.drifted else badge("steady", "good"),
    ]
