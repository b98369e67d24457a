"""Chapter: has what the camera sees moved away from what was learned, signal by signal."""

from __future__ import annotations

from inspection.reporting.blocks import Section, badge, card, table
from inspection.reporting.markup import Child, Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.watched import Drift, Signal
from inspection.reporting.wording import number, plain, small


def drift(run: RunReport) -> Section | None:
    """The signals of a run that looked for drift."""
    return None if run.drift is None else drift_section(run.drift)


def drift_section(found: Drift, *extra: Html | None, lead: str = "", number: int = 0) -> Section:
    """The likely cause, then each signal with its method; opens with the verdict's sentence unless told otherwise.

    `number` tells several streams of one page apart.
    """
    body = table(
        ["signal", "what was seen", "method", "p-value of all", "threshold", "effect", "answer"],
        [_row(signal) for signal in found.signals],
        caption="Drift signals",
        numeric=frozenset({3, 4, 5}),
        kinds=["bad" if signal.drifted else "" for signal in found.signals],
    )
    title = f"Drift, {found.stream}" if found.stream else "Drift"
    anchor = f"drift-{number}" if number else "drift"
    return Section(
        anchor, title, title, lead or found.sentence, join([_cause(found), card(body, *extra)])
    )


def _cause(found: Drift) -> Html | None:
    if not found.cause:
        return None
    facts = tag("p", tag("strong", found.cause), f": {found.evidence}.")
    return card(facts, tag("p", found.remedy), title="Likely cause", kind="bad")


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
