"""Chapter: every recipe that a search tried, which one was taken, and why."""

from __future__ import annotations

from inspection.durations import spoken
from inspection.evaluation.searched import Searched, Trial, in_words
from inspection.reporting.blocks import Section, badge, card, columns, table
from inspection.reporting.markup import Child, Html, join, tag
from inspection.reporting.run_report import RunReport
from inspection.reporting.search_charts import (
    by_epoch,
    by_trial,
    legend_of_epochs,
    legend_of_trials,
)
from inspection.reporting.wording import score

KINDS = {"complete": "good", "pruned": "idle", "failed": "bad", "out of time": "warn"}
HONEST = (
    "Chosen on validation images alone; the best of many tries is flattered by them. What the recipe is worth is what "
    "the test set says, which no trial saw."
)


def search(run: RunReport) -> Section | None:
    """The trials as a table and as pictures."""
    found = run.searched
    if found is None:
        return None
    lead = f"{found.sentence[0].upper()}{found.sentence[1:]}."
    body = join([_course(found), _pictures(found), _table(found)])
    return Section("search", "Search", "The search for a recipe", lead, body)


def _course(found: Searched) -> Html:
    """Time, end, and how to have the same without a search."""
    over = found.seconds - found.budget_seconds
    words = f"{spoken(found.seconds)} of {spoken(found.budget_seconds)}"
    words += (
        f", {spoken(over)} more than asked: the epoch under way was finished" if over >= 1 else ""
    )
    ended = f" It ended because {found.ended}." if found.trials else ""
    again = (
        tag("p", "The same without a search: ", tag("code", found.changes), class_="command")
        if found.changes
        else None
    )
    return card(tag("p", f"{words}.{ended}"), again, note=HONEST)


def _pictures(found: Searched) -> Html | None:
    if not any(trial.curve for trial in found.trials):
        return None
    return columns(
        card(by_trial(found), legend_of_trials(), title="What each trial reached"),
        card(by_epoch(found), legend_of_epochs(found), title="How the trials learned"),
    )


def _table(found: Searched) -> Html | None:
    if not found.trials:
        return None
    head = ["trial", "state", "epochs", "macro-F1", "accuracy", "time", "settings", "why it ended"]
    body = table(
        head,
        [_row(found, trial) for trial in found.trials],
        caption="Every recipe that was tried; figures of its best epoch on validation images",
        numeric=frozenset({0, 2, 3, 4, 5}),
        kinds=["idle" if trial.state == "pruned" else "" for trial in found.trials],
    )
    return card(body)


def _row(found: Searched, trial: Trial) -> list[Child]:
    best = trial.best
    taken = badge("taken", "good") if trial.number == found.chosen else None
    words = in_words(trial.settings)
    return [
        str(trial.number),
        join([badge(trial.state, KINDS[trial.state]), *([" ", taken] if taken else [])]),
        str(trial.epochs),
        score(best.macro_f1) if best else "–",
        score(best.accuracy) if best else "–",
        spoken(trial.seconds),
        words if trial.number else f"as given: {words}",
        trial.reason,
    ]
