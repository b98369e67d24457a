"""Chapter: every question asked of the data, what was allowed, what was seen, and what to do about it."""

from __future__ import annotations

from inspection.reporting.blocks import Section, badge, card, path, table
from inspection.reporting.markup import Html, join, tag
from inspection.reporting.run_report import Check, RunReport
from inspection.reporting.wording import count, plain

OFFENDERS_NAMED = 4


def checks(run: RunReport) -> Section | None:
    """Every question asked of the data and its answer."""
    if run.checks is None:
        return None
    results = sorted(run.checks.results, key=lambda r: (r.passed, r.severity != "critical"))
    failed = [r for r in results if not r.passed]
    closing = sum(r.severity == "critical" for r in failed)
    verdict = "The data gate is open" if run.checks.passed else "The data gate is closed"
    lead = (
        f"{verdict}: {count(len(results), 'question')} asked of the index, "
        f"{closing} refused, {len(failed) - closing} with a warning."
    )
    kinds = ["" if r.passed else "bad" if r.severity == "critical" else "warn" for r in results]
    body = table(
        ["question", "asked for", "observed", "answer", "what to do" if failed else ""],
        [_check_row(result) for result in results],
        caption="Questions asked of the data",
        kinds=kinds,
    )
    return Section("checks", "Data checks", "Data checks", lead, card(body))


def _check_row(check: Check) -> list[Html]:
    if check.error:
        answer = badge("not asked", "bad")
    elif check.passed:
        answer = badge("passed", "good")
    else:
        answer = (
            badge("refused", "bad") if check.severity == "critical" else badge("warning", "warn")
        )
    named = [path(row) for row in check.rows[:OFFENDERS_NAMED]]
    left = max(check.count, len(check.rows)) - len(named)
    offenders = tag("ul", *(tag("li", n) for n in named), class_="offenders") if named else None
    more = tag("span", f"and {left:,} more", class_="note") if named and left > 0 else None
    return [
        tag("strong", plain(check.name)),
        join([check.limit]),
        join([check.error or check.observed, offenders, more]),
        answer,
        join(["" if check.passed else check.advice]),
    ]
