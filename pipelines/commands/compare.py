"""`plumbline compare`: the models of finished runs, on one frozen test set, and which of them to take."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.commands.target import checked_target
from pipelines.launcher.client import open_zenml
from pipelines.output import Answer, Table, stdout_is_stderr
from pipelines.settings import Settings

if TYPE_CHECKING:
    from inspection.evaluation.classifiers import Classifiers
    from inspection.evaluation.compared import Comparison
    from inspection.evaluation.recipe_card import RecipeCard
    from inspection.evaluation.trained import Gathered
    from inspection.reporting.comparison_page import ComparisonReport
    from pipelines.finished_runs import FinishedRun
    from pipelines.launcher.run_records import RunRecord

SEED = 7
"""Of the draws: the same runs give the same intervals."""


def compare_runs(
    names: Sequence[str], out: Path, *, settings: Settings, now: Callable[[], datetime]
) -> Answer:
    """Write the page to `out` and the best recipe's card beside it."""
    from pipelines.finished_runs import chosen_records

    target = checked_target(out, ".html")
    records = chosen_records(names, settings)
    with stdout_is_stderr():
        open_zenml(settings)
        return compare_records(records, target, now=now)


def compare_records(
    records: Sequence[RunRecord], target: Path, *, now: Callable[[], datetime]
) -> Answer:
    """The same of finished runs' records, once ZenML is open."""
    from zenml.client import Client

    from inspection.evaluation.comparison import compare
    from inspection.evaluation.comparison_words import overall
    from inspection.evaluation.trained import gather
    from inspection.reporting.classifier_tables import leading
    from inspection.reporting.comparison_page import write_comparison_page
    from pipelines.finished_runs import finished_run

    client = Client()
    runs = [finished_run(record, client) for record in records]
    # Teachers first: what the students are held against.
    gathered = gather([*(run.teacher for run in runs), *(run.student for run in runs)])
    recipes = [one.recipe for one in gathered]
    found = compare(recipes, seed=SEED, groups=_groups(runs))
    card = _card(found, gathered)
    classifiers = _classifiers(gathered, runs)
    beside = target.with_suffix(".card.json")
    card.save(beside)
    names = [record.name for record in records]
    report = _report(found, gathered, card, runs[0], names, now())
    write_comparison_page(replace(report, classifiers=classifiers), target)
    document = {
        "comparison": json.loads(found.to_json()),
        "sentence": overall(found),
        "best": found.best,
        "classifiers": {
            name: json.loads(one.comparison.to_json()) for name, one in classifiers.items()
        },
        "page": str(target.resolve()),
        "card": str(beside.resolve()),
    }
    told = [f"{name}: {leading(one)}" for name, one in classifiers.items()]
    lines = [overall(found), *told, f"Page         {target}", f"Recipe card  {beside}"]
    return Answer(document=document, table=_table(found), lines=lines, next=[])


def _groups(runs: Sequence[FinishedRun]) -> Mapping[str, str]:
    """The first run's: the test set is the same in all, or nothing is compared."""
    return runs[0].groups


def _classifiers(
    gathered: Sequence[Gathered], runs: Sequence[FinishedRun]
) -> dict[str, Classifiers]:
    """By recipe, the classifiers of its runs with all seeds together; recipes of older runs have none."""
    from inspection.evaluation.classifiers import pooled

    # By the very student: a teacher of the same run is another recipe's.
    known = {id(run.student): run.classifiers for run in runs if run.classifiers is not None}
    found: dict[str, Classifiers] = {}
    for one in gathered:
        mine = [known[id(each)] for each in one.trained if id(each) in known]
        if mine:
            found[one.recipe.name] = pooled(mine, groups=_groups(runs), seed=SEED)
    return found


def _card(found: Comparison, gathered: Sequence[Gathered]) -> RecipeCard:
    from inspection.evaluation.comparison_words import about
    from inspection.evaluation.recipe_card import RecipeCard

    best = found.figures(found.best)
    return RecipeCard(
        name=best.name,
        origin=next(one.origin for one in gathered if one.recipe.name == best.name),
        test_digest=found.test_digest,
        figures=best,
        compared_with=tuple(one.name for one in found.recipes if one.name != best.name),
        sentence=about(found, best),
    )


def _report(
    found: Comparison,
    gathered: Sequence[Gathered],
    card: RecipeCard,
    first: FinishedRun,
    names: Sequence[str],
    created: datetime,
) -> ComparisonReport:
    from inspection.reporting.comparison_page import ComparisonReport

    return ComparisonReport(
        name=f"{len(gathered)} recipes",
        created=created,
        comparison=found,
        recipes=[one.recipe for one in gathered],
        curves={one.recipe.name: [each.curve for each in one.trained] for one in gathered},
        index=first.index,
        card=card,
        command=shlex.join(["plumbline", "compare", *names]),
    )


def _table(found: Comparison) -> Table:
    from inspection.evaluation.comparison_words import percents, points

    rows = []
    for one in found.recipes:
        pair = found.pair(one.name, found.best) if one.name != found.best else None
        against = f"{pair.verdict}, {points(pair.difference)}" if pair else "the best"
        rows.append(
            (
                one.name,
                str(len(one.seeds)),
                percents(one.accuracy),
                f"{one.cost.parameters:,}",
                f"{one.cost.latency_ms:.2f}",
                against,
            )
        )
    head = ("recipe", "seeds", "accuracy", "parameters", "ms per image", "against the best")
    return Table(head, rows)
