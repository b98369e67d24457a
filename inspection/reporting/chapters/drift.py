"""Chapter: has what the camera sees moved away from what was learned, signal by signal."""

from __future__ import annotations

from inspection.evaluation.in_service import Decided, InService
from inspection.reporting.blocks import Section, badge, card, table
from inspection.reporting.markup import Child, Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.watched import Drift, Signal
from inspection.reporting.wording import number, percent, plain, small


def drift(run: RunReport) -> Section | None:
    """The signals of a run that looked for drift."""
    return None if run.drift is None else drift_section(run.drift)


def drift_section(found: Drift, *extra: Html | None, lead: str = "", number: int = 0) -> Section:
    """The likely cause, what was decided, then each signal with its method.

    It opens with `lead`, else with the verdict's sentence; `number` tells several streams of one page apart.
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
    parts = [_cause(found), _decided(found.decided), card(body, *extra)]
    return Section(anchor, title, title, lead or found.sentence, join(parts))


def _cause(found: Drift) -> Html | None:
    if not found.cause:
        return None
    facts = tag("p", tag("strong", found.cause), f": {found.evidence}.")
    return card(facts, tag("p", found.remedy), title="Likely cause", kind="bad")


def _decided(found: InService | None) -> Html | None:
    """What the device did with the parts, beside what it does with the reference's."""
    if found is None:
        return None
    body = table(
        ["parts", "in this batch", "95 % interval", "images", "on the reference", "95 % interval"],
        [_outcome(each) for each in found.outcomes],
        caption="Decisions of the device",
        numeric=frozenset({1, 2, 3, 4, 5}),
        kinds=["warn" if each.moved else "" for each in found.outcomes],
    )
    note = found.sentence[0].upper() + found.sentence[1:] + "."
    return card(body, title="What was decided", note=note)


def _outcome(each: Decided) -> list[Child]:
    here, there = each.batch, each.reference
    return [
        tag("strong", each.outcome),
        percent(here.value),
        f"{percent(here.low)} to {percent(here.high)}",
        f"{here.hits} of {here.total}",
        percent(there.value),
        f"{percent(there.low)} to {percent(there.high)}",
    ]


def _row(signal: Signal) -> list[Child]:
    return [
        tag("strong", plain(signal.name)),
        signal.detail,
        signal.method,
        small(signal.score),
        small(signal.threshold),
        number(signal.effect) if signal.effect else "–",
        badge("drifted", "bad") if signal.drifted else badge("steady", "good"),
    ]
